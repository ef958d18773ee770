"""How a test's order service reaches its position service: in process, with everything that a wire does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from grpc import aio

from hub_errors import HubError, Unavailable


class Loss(StrEnum):
    """What of the next call does not arrive."""

    NOTHING = ""
    REQUEST = "request"
    ANSWER = "answer"


@dataclass
class Wire:
    """Stands where a channel would: messages are encoded and decoded, and what the servicer raises arrives as
    an error. `meanwhile` happens once, when the next call was served and before its answer arrives."""

    servicer: Any
    loss: Loss = Loss.NOTHING
    meanwhile: Callable[[], Awaitable[None]] | None = None

    @property
    def channel(self) -> aio.Channel:
        return cast("aio.Channel", self)

    def unary_unary(
        self,
        path: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        **_: object,
    ) -> Callable[[Any], Awaitable[Any]]:
        name = path.rpartition("/")[2]

        async def call(request: Any, **_: object) -> Any:
            loss, self.loss = self.loss, Loss.NOTHING
            if loss is Loss.REQUEST:
                raise Unavailable("lost on its way", code="unavailable")
            answer = await self._serve(name, type(request).FromString(request_serializer(request)))
            meanwhile, self.meanwhile = self.meanwhile, None
            if meanwhile is not None:
                await meanwhile()
            if loss is Loss.ANSWER:
                raise Unavailable("its answer was lost", code="unavailable")
            return response_deserializer(answer.SerializeToString())

        return call

    async def _serve(self, name: str, request: Any) -> Any:
        try:
            return await getattr(self.servicer, name)(request, None)
        except HubError:
            raise
        except Exception as error:
            raise Unavailable("the other side died", code="unavailable") from error
