"""The error types every part raises and understands; it knows nothing of gRPC, HTTP or databases."""

from hub_errors.errors import (
    Conflict,
    Denied,
    Exhausted,
    HubError,
    Invalid,
    NotFound,
    Refused,
    Timeout,
    Unauthenticated,
    Unavailable,
)

__all__ = [
    "Conflict",
    "Denied",
    "Exhausted",
    "HubError",
    "Invalid",
    "NotFound",
    "Refused",
    "Timeout",
    "Unauthenticated",
    "Unavailable",
]
