"""The one form in which anything is hashed: a JSON array without spaces, keys sorted, in UTF-8, as
`json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))` writes it. Ids and numerics
are their texts, times are RFC 3339 in UTC with a Z, hashes are hexadecimal."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

FIRST = b""
"""What the first of a chain follows."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical(*fields: Any) -> bytes:
    """Texts, whole numbers, decimals, ids, times, mappings of text to text, and None."""
    return _encode(fields)


def hash_of(*fields: Any) -> bytes:
    return hashlib.sha256(_encode(fields)).digest()
