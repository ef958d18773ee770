"""The quote cache: a live local copy of instruments, sessions and quotes."""
