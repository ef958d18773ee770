"""quote-stream as a process: builds everything, and is the only module that does."""

from __future__ import annotations

from functools import partial

from hub.quote_stream.v1.quote_stream_pb2_grpc import add_QuoteStreamServiceServicer_to_server
from hub_errors import Unavailable
from hub_events import Amqp, fanout
from hub_market_client import QuoteCache
from hub_quote_stream.frames import Frames
from hub_quote_stream.rpc import QuoteStreamRpc
from hub_quote_stream.settings import QuoteStreamSettings
from hub_quote_stream.worker import account_updates, publish_quotes
from hub_rpc import CallTable, Server, connect, peer_state
from hub_runtime import Process, get_logger, main

log = get_logger("quote-stream")

JOBS = {"serve": "streams of frames and account updates for gateways"}
CALL_TABLE: CallTable = {"hub.quote_stream.v1.QuoteStreamService": {"*": frozenset({"gateway"})}}
EXCHANGES = ("orders.status", "positions.status")


async def run(settings: QuoteStreamSettings, _jobs: frozenset[str], process: Process) -> None:
    cache, frames = QuoteCache(), Frames(most_updates=settings.stream_updates)
    channel = await process.stack.enter_async_context(
        connect(settings.market_data_target, settings.tls, "market-data")
    )
    amqp = Amqp(settings.amqp_url, settings.amqp_password, name="quote-stream")
    handle = account_updates(frames)
    missed = Unavailable("Updates may have been missed.", code="updates_missed")

    process.spawn(cache.follow(channel), "quotes")
    process.spawn(publish_quotes(cache, frames), "frames")
    for exchange in EXCHANGES:
        listening = fanout(amqp, exchange, handle, connected=partial(frames.end_streams, missed))
        process.spawn(listening, exchange)
    process.ready("market", cache.state)
    process.ready("broker", amqp.state)

    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [partial(add_QuoteStreamServiceServicer_to_server, QuoteStreamRpc(frames))],
        reflection=settings.environment != "production",
        # Sockets stay open, and quiet, while these are away.
        information={"market": cache.state, "broker": amqp.state, "market-data": peer_state(channel)},
        drain_s=0,
    )
    await process.stack.enter_async_context(server)
    log.info("serving", port=server.port)
    await process.drained()


def start() -> None:
    main(
        "quote-stream",
        "Live quotes and account updates, encoded once for every screen.",
        JOBS,
        QuoteStreamSettings,
        run,
    )


if __name__ == "__main__":
    start()
