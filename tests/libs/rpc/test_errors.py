"""Errors cross the wire as what they are, and nothing else does."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from hub_errors import (
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
from hub_rpc import error_from, status_number
from hub_rpc.status import DETAILS_KEY
from hub_rpc.tls import channel_credentials
from tests.libs.rpc.echo import Client, Echo, serving, talking
from tests.support.tls import Tls

KINDS = [Invalid, NotFound, Unauthenticated, Denied, Conflict, Refused, Exhausted, Unavailable, Timeout]


def raising(error: Exception) -> Echo:
    async def answer(_: bytes) -> bytes:
        raise error

    return Echo(answer)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_arrives_with_its_kind_code_message_and_field(tls: Tls, kind: type[HubError]) -> None:
    async with talking(tls, raising(kind("Grüße — 1 € fehlt.", code="some_code", field="amount"))) as client:
        for call in (
            client.one(b""),
            client.collect(iter([b""])),
            anext(aiter(client.out(b""))),
            anext(aiter(client.both(iter([b""])))),
        ):
            with pytest.raises(HubError) as raised:
                await call
            error = raised.value
            assert type(error) is kind
            assert (error.code, error.message, error.field) == ("some_code", "Grüße — 1 € fehlt.", "amount")


async def test_when_to_try_again_arrives(tls: Tls) -> None:
    async with talking(tls, raising(Exhausted("Later.", code="busy", retry_after_s=12.5))) as client:
        with pytest.raises(Exhausted) as raised:
            await client.one(b"")
    assert raised.value.retry_after_s == 12.5


async def test_an_error_goes_through_a_service_in_the_middle_unchanged(tls: Tls) -> None:
    async with talking(tls, raising(Refused("No cash.", code="insufficient_funds"))) as inner:

        async def pass_on(request: bytes) -> bytes:
            return bytes(await inner.one(request))

        async with talking(tls, Echo(pass_on)) as outer:
            with pytest.raises(Refused) as raised:
                await outer.one(b"")
    assert raised.value.code == "insufficient_funds"


async def test_the_text_of_an_unforeseen_exception_never_leaves(tls: Tls) -> None:
    async with talking(tls, raising(ValueError("secret dsn postgres://u:p@h"))) as client:
        for call in (client.one(b""), anext(aiter(client.out(b"")))):
            with pytest.raises(HubError) as raised:
                await call
            assert raised.value.code == "internal"
            assert "secret" not in str(raised.value)
            assert "ValueError" not in str(raised.value)


async def test_details_follow_the_standard_for_peers_that_are_not_ours(tls: Tls) -> None:
    service = raising(Invalid("quantity must be positive.", code="not_positive", field="quantity"))
    async with serving(tls, service) as server:
        options = [("grpc.ssl_target_name_override", "order")]
        credentials = channel_credentials(tls.files("gateway"))
        async with aio.secure_channel(f"127.0.0.1:{server.port}", credentials, options=options) as channel:
            with pytest.raises(aio.AioRpcError) as raised:
                await Client(channel).one(b"", timeout=5)
    error = raised.value
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())[DETAILS_KEY])
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, info.metadata["field"]) == ("not_positive", "hub", "quantity")
    assert status.details[1].Unpack(request)
    assert request.field_violations[0].field == "quantity"


async def test_a_method_nobody_serves_is_an_error_of_ours(tls: Tls) -> None:
    async with talking(tls, Echo()) as client:
        nothing: Any = client.channel.unary_unary("/test.Echo/Nothing")
        with pytest.raises(HubError) as raised:
            await nothing(b"")
    assert raised.value.code == "not_implemented"


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_number_stands_for_its_error(kind: type[HubError]) -> None:
    error = error_from(status_number(kind("m", code="c")), message="m", code="c", field="f")
    assert type(error) is kind
    assert (error.message, error.code, error.field) == ("m", "c", "f")


async def test_a_very_long_message_still_arrives(tls: Tls) -> None:
    async with talking(tls, raising(Refused("x" * 50_000, code="long"))) as client:
        with pytest.raises(Refused) as raised:
            await client.one(b"")
    assert raised.value.message == "x" * 1000
