"""Every setting of quote-stream."""

from __future__ import annotations

from dataclasses import dataclass

from hub_runtime.common_settings import AmqpSettings, GrpcSettings, ProcessSettings, TlsSettings
from hub_runtime.settings import setting


@dataclass(frozen=True)
class QuoteStreamSettings(ProcessSettings, TlsSettings, GrpcSettings, AmqpSettings):
    market_data_target: str = setting("the market-data service, host:port or dns:///name:port")
    stream_updates: int = setting("account updates that may wait for one gateway", default=5_000)
