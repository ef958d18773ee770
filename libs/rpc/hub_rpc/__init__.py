"""gRPC servers and channels: mTLS, call table, deadlines, errors, breakers, spans."""

from hub_rpc.breaker import Breaker
from hub_rpc.call_table import CallTable
from hub_rpc.channel import connect
from hub_rpc.context import bearer_token, caller, calling_as, remaining_s, within
from hub_rpc.process_status import peer_state
from hub_rpc.server import Registration, Server
from hub_rpc.status import error_from, status_number
from hub_rpc.streams import reading

__all__ = [
    "Breaker",
    "CallTable",
    "Registration",
    "Server",
    "bearer_token",
    "caller",
    "calling_as",
    "connect",
    "error_from",
    "peer_state",
    "reading",
    "remaining_s",
    "status_number",
    "within",
]
