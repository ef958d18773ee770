"""What the service does, one function per verb. Each writing one is one transaction."""
