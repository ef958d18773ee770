"""A process: settings, logs, traces, metrics, admin endpoint, life cycle."""

from hub_runtime.admin import AdminServer
from hub_runtime.backoff import Backoff
from hub_runtime.clock import Clock, since_epoch, utc_now, utc_text, utc_time
from hub_runtime.command_line import Command
from hub_runtime.common_settings import (
    AmqpSettings,
    DatabaseSettings,
    GrpcSettings,
    ProcessSettings,
    RedisSettings,
    TlsFiles,
    TlsSettings,
    secret,
)
from hub_runtime.crash_points import CrashPointError, crash_point
from hub_runtime.decimal_settings import ByClass, by_class, decimal_number, share
from hub_runtime.ids import uuid7, uuid7_text
from hub_runtime.log import get_logger, set_up_logging
from hub_runtime.metrics import FAST_BUCKETS, SIZE_BUCKETS, counted, counter, gauge, histogram, observed
from hub_runtime.process import Process, main
from hub_runtime.settings import (
    Address,
    Settings,
    SettingsError,
    describe,
    load,
    one_of,
    ratio,
    setting,
    url,
)
from hub_runtime.tasks import cancelled, heed_cancellation, supervised
from hub_runtime.tracing import (
    Tracing,
    current_trace_id,
    current_traceparent,
    is_sampled,
    parse_traceparent,
    set_up_tracing,
    span,
    tracer,
    use_traceparent,
)

__all__ = [
    "FAST_BUCKETS",
    "SIZE_BUCKETS",
    "Address",
    "AdminServer",
    "AmqpSettings",
    "Backoff",
    "ByClass",
    "Clock",
    "Command",
    "CrashPointError",
    "DatabaseSettings",
    "GrpcSettings",
    "Process",
    "ProcessSettings",
    "RedisSettings",
    "Settings",
    "SettingsError",
    "TlsFiles",
    "TlsSettings",
    "Tracing",
    "by_class",
    "cancelled",
    "counted",
    "counter",
    "crash_point",
    "current_trace_id",
    "current_traceparent",
    "decimal_number",
    "describe",
    "gauge",
    "get_logger",
    "heed_cancellation",
    "histogram",
    "is_sampled",
    "load",
    "main",
    "observed",
    "one_of",
    "parse_traceparent",
    "ratio",
    "secret",
    "set_up_logging",
    "set_up_tracing",
    "setting",
    "share",
    "since_epoch",
    "span",
    "supervised",
    "tracer",
    "url",
    "use_traceparent",
    "utc_now",
    "utc_text",
    "utc_time",
    "uuid7",
    "uuid7_text",
]
