"""Every setting of the gateway."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from hub_gateway.limits import Rule, WithoutRedis
from hub_gateway.socket_limits import SocketLimits
from hub_runtime.common_settings import ProcessSettings, RedisSettings, TlsSettings
from hub_runtime.settings import Address, setting

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def _origins(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if any(not _ORIGIN.fullmatch(origin) for origin in found):
        raise ValueError("must be origins such as https://app.example.com, with commas between")
    return found


@dataclass(frozen=True)
class GatewaySettings(ProcessSettings, TlsSettings, RedisSettings):
    http_address: Address = setting("where HTTP and WebSocket are served")
    auth_target: str = setting("the auth service, host:port or dns:///name:port")
    market_data_target: str = setting("the market-data service")
    order_target: str = setting("the order service")
    position_target: str = setting("the position service")
    portfolio_target: str = setting("the portfolio service")
    quote_stream_target: str = setting("the quote-stream service")
    trusted_proxies: tuple[str, ...] = setting("proxies whose X-Forwarded-For is believed", default=())
    cors_origins: tuple[str, ...] = setting(
        "origins whose pages may read answers, such as https://app.example.com", default=(), parse=_origins
    )
    request_timeout: timedelta = setting("seconds a request may take", default=timedelta(seconds=15))
    submit_timeout: timedelta = setting("seconds until an order is in doubt", default=timedelta(seconds=5))
    orders_per_minute: int = setting(
        "orders of an account in a minute; twice as many get to the services",
        default=10_000,
    )
    reads_per_minute: int = setting("other requests of an account in a minute", default=12_000)
    visits_per_minute: int = setting("registrations and logins of an address in a minute", default=600)
    sockets: int = setting("open sockets of this process", default=10_000)
    sockets_per_account: int = setting("open sockets of one account", default=50)
    socket_frames_per_second: float = setting("sends to one socket in a second at most", default=10.0)
    socket_heartbeat: timedelta = setting(
        "seconds of silence before a heartbeat", default=timedelta(seconds=15)
    )

    @property
    def targets(self) -> dict[str, str]:
        return {
            "auth": self.auth_target,
            "market-data": self.market_data_target,
            "order": self.order_target,
            "position": self.position_target,
            "portfolio": self.portfolio_target,
            "quote-stream": self.quote_stream_target,
        }

    @property
    def orders_rule(self) -> Rule:
        # The order service counts exactly and says when to come back: this only keeps floods from it.
        limit = 2 * self.orders_per_minute
        return Rule(name="orders", limit=limit, lease=max(1, limit // 50))

    @property
    def reads_rule(self) -> Rule:
        return Rule(name="reads", limit=self.reads_per_minute, lease=max(1, self.reads_per_minute // 50))

    @property
    def visits_rule(self) -> Rule:
        return Rule(name="visits", limit=self.visits_per_minute, without_redis=WithoutRedis.CLOSED)

    @property
    def socket_limits(self) -> SocketLimits:
        return SocketLimits(
            sockets=self.sockets,
            per_account=self.sockets_per_account,
            frame_s=1 / self.socket_frames_per_second,
            heartbeat_s=self.socket_heartbeat.total_seconds(),
        )
