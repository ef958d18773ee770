"""Orders and executions."""
