"""Decimal money and quantity: parsing, scale, rounding. Pure; never a float."""

from hub_money.decimals import LIMIT, PLACES, money, multiple_of, parse_decimal, to_text

__all__ = ["LIMIT", "PLACES", "money", "multiple_of", "parse_decimal", "to_text"]
