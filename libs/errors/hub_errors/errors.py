"""One class per kind of failure. The message may be shown to a user, so it never carries internals."""

# ruff: noqa: N818 - they are named for what the caller is told

from __future__ import annotations


class HubError(Exception):
    """A failure with a stable code, a sentence, and the field it concerns (empty when it concerns none)."""

    def __init__(self, message: str, *, code: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code!r}, field={self.field!r})"


class Invalid(HubError):
    """The request can never succeed as it is."""


class Unauthenticated(HubError):
    """Nobody knows who asks."""


class Denied(HubError):
    """Who asks is known and may not."""


class NotFound(HubError):
    """It does not exist, or not for the one who asks."""


class Conflict(HubError):
    """It contradicts what is stored: a reused key, another version."""


class Refused(HubError):
    """A rule of the business says no: not enough cash, market closed."""


class Exhausted(HubError):
    """Too much at once; worth another try after `retry_after_s`."""

    def __init__(self, message: str, *, code: str, field: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, code=code, field=field)
        self.retry_after_s = retry_after_s


class Unavailable(HubError):
    """Something this depends on cannot be reached now."""


class Timeout(HubError):
    """No answer in time; whether it happened is not known."""
