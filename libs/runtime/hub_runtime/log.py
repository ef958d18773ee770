"""One JSON object per line on stderr, each with the trace it belongs to. Never a secret."""

from __future__ import annotations

import logging
import sys
from typing import cast

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

SECRET_WORDS = ("password", "secret", "token", "authorization", "api_key")
_FIRST = ("time", "level", "service", "event")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger that may be made at import: it takes its settings when it is first used."""
    return cast("FilteringBoundLogger", structlog.get_logger(part=name))


def set_up_logging(service: str, *, level: str = "info", style: str = "json") -> None:
    """Called once by the process; `style` is json, or text for people."""

    def stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return {key: event.pop(key) for key in _FIRST if key in event} | dict(event)

    render: list[Processor]
    if style == "json":
        render = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    else:
        render = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                timestamp_key="time",
                exception_formatter=structlog.dev.plain_traceback,  # the rich one prints local variables
            )
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _add_trace_id,
            _hide_secrets,
            stamp,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(_LEVELS[level], logging.WARNING), force=True)


def _add_trace_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", f"{context.trace_id:032x}")
    return event


def _hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key in event:
        if any(word in key for word in SECRET_WORDS):
            event[key] = "***"
    return event


class _Forward(logging.Handler):
    """What libraries say through `logging` comes out like everything else."""

    def emit(self, record: logging.LogRecord) -> None:
        get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)
