"""Decimal money and quantity: parsing, scale, rounding."""
