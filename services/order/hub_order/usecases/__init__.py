"""What the order service does: one file per verb."""
