"""The error types every part raises and understands."""
