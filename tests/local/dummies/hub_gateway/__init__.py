"""A stand-in, found before the real package of that name."""
