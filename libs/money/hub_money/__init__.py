"""Decimal money and quantity: parsing, scale, rounding. Pure; never a float."""

from hub_money.decimals import LIMIT, PLACES, average, money, multiple_of, parse_decimal, to_text

__all__ = ["LIMIT", "PLACES", "average", "money", "multiple_of", "parse_decimal", "to_text"]
