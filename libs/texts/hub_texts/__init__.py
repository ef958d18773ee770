"""Texts that people write, and the names they give things. Pure."""

from hub_texts.texts import LONGEST_NAME, Name, printable, read_name

__all__ = ["LONGEST_NAME", "Name", "printable", "read_name"]
