"""What is owned and watched, at given prices. Pure: no I/O, the clock is passed in."""
