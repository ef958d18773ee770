"""What is traded, when, and at which prices. Pure: no clock, no input, no output."""
