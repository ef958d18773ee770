"""Live quotes and account updates, encoded once."""
