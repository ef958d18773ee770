"""What market-data is asked for, and how its copy of the market is kept."""
