"""What a user owns, at current prices."""
