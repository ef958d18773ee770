"""One JSON object per line on stderr, each with the trace it belongs to. Never a secret.

Every order is worth several lines, so a line costs one encoding, and the lines of one turn of the event loop
are written together. What is worse than information is written at once, and nothing stays behind at the end.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog

from hub_runtime.clock import utc_text
from hub_runtime.tracing import current_trace_id

SECRET_WORDS = ("password", "secret", "token", "authorization", "api_key")
MOST_WAITING: Final = 500  # lines, of one turn of the loop
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_NAMES = {**{number: name for name, number in _LEVELS.items()}, logging.CRITICAL: "critical"}

Line = dict[str, Any]
Render = Callable[[Line], str]


class Logger:
    """Says what happened: the event's name, and what there is to know about it as fields."""

    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        self._part = part

    def debug(self, event: str, **fields: Any) -> None:
        self.log(logging.DEBUG, event, **fields)

    def info(self, event: str, **fields: Any) -> None:
        self.log(logging.INFO, event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.log(logging.WARNING, event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        self.log(logging.ERROR, event, **fields)

    def log(self, level: int, event: str, *, exc_info: Any = None, **fields: Any) -> None:
        """`exc_info` is an error, or what `sys.exc_info` answers, or True for the one being handled."""
        if level < _output.level:
            return
        line: Line = {"time": _now(), "level": _NAMES.get(level, "info"), "service": _output.service}
        line["event"] = event
        line["part"] = self._part
        for name, value in fields.items():
            line[name] = "***" if _is_secret(name) else value
        trace_id = current_trace_id()
        if trace_id:
            line.setdefault("trace_id", trace_id)
        if exc_info:
            line["exception"] = _described(exc_info)
        _output.write(line, at_once=level > logging.INFO)


class _Output:
    """Where lines go, and those of this turn of the loop that have not gone yet."""

    def __init__(self) -> None:
        self.service = ""
        self.level = logging.INFO
        self.render: Render = _as_json
        self._waiting: deque[str] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that will flush

    def write(self, line: Line, *, at_once: bool) -> None:
        self._waiting.append(self.render(line))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            at_once = True
        else:
            if loop is not self._loop and not at_once:
                self._loop = loop
                loop.call_soon(self.flush)
        if at_once or len(self._waiting) > MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Other threads log too: each line is taken by one of them."""
        self._loop = None
        lines = []
        with suppress(IndexError):
            while True:
                lines.append(self._waiting.popleft())
        if lines:
            sys.stderr.write("\n".join([*lines, ""]))
            sys.stderr.flush()


def get_logger(name: str) -> Logger:
    """A logger that may be made at import, before it is known how the process logs."""
    return Logger(name)


def set_up_logging(service: str, *, level: str = "info", style: str = "json") -> None:
    """Called once by the process; `style` is json, or text for people."""
    _output.service = service
    _output.level = _LEVELS[level]
    _output.render = _as_json if style == "json" else _as_text()
    logging.basicConfig(handlers=[_Forward()], level=max(_LEVELS[level], logging.WARNING), force=True)


def flush_log() -> None:
    """For whoever ends the process without letting it end."""
    _output.flush()


def _as_json(line: Line) -> str:
    try:
        return _encode(line).decode()
    except (TypeError, ValueError, OverflowError):  # such as a lone surrogate or a huge number
        return json.dumps(line, default=str)


def _as_text() -> Render:
    render = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        timestamp_key="time",
        exception_formatter=structlog.dev.plain_traceback,  # the rich one prints local variables
    )
    return lambda line: str(render(None, "", line))


def _now() -> str:
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return utc_text(seconds, rest)


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_WORDS)


def _described(exc_info: Any) -> str:
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if not isinstance(error, BaseException):
        error = sys.exc_info()[1]
    return "" if error is None else "".join(traceback.format_exception(error)).rstrip()


_encode = msgspec.json.Encoder(enc_hook=str).encode
_output = _Output()
atexit.register(_output.flush)


class _Forward(logging.Handler):
    """What libraries say through `logging` comes out like everything else."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)
