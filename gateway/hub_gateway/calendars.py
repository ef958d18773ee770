"""/clock and /calendar: when the market trades."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from hub.market_data.v1 import market_data_pb2
from hub_errors import Invalid, NotFound
from hub_gateway import render
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.operation import Operation, Parameter, Resource
from hub_gateway.pages import iso_day
from hub_gateway.peers import Peers
from hub_gateway.problems import naming
from hub_gateway.types.calendars import Calendar, Clock

_CALENDAR: Final = re.compile(r"[A-Z0-9][A-Z0-9.]{0,11}|24x7")
CALENDAR: Final = Parameter(
    name="calendar",
    description="A trading calendar; without it the one that is in force for stocks.",
    schema={"type": "string", "pattern": f"^({_CALENDAR.pattern})$"},
    example="XNYS",
)
NAMES: Final = {"first_day": "start", "last_day": "end"}
DAY: Final = {"type": "string", "format": "date", "pattern": "^(19|20|21)[0-9]{2}-"}
START: Final = Parameter(
    name="start", description="The first day.", schema=DAY, required=True, example="2026-11-23"
)
END: Final = Parameter(
    name="end",
    description="The last day, inclusive, at most 400 days later.",
    schema=DAY,
    required=True,
    example="2026-11-27",
)


def calendar_name(text: str) -> str:
    """What no calendar can be called is one that does not exist."""
    if not _CALENDAR.fullmatch(text):
        raise NotFound("There is no such calendar.", code="unknown_calendar", field="calendar")
    return text


def day(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be there and be a day."""
    try:
        return iso_day(query[name], field=name).isoformat()
    except KeyError:
        raise Invalid(f"{name} is missing.", code="missing_parameter", field=name) from None
    except ValueError:
        raise Invalid(f"{name} must be a day such as 2026-11-27.", code="invalid_value", field=name) from None


class Calendars:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market_data = peers.market_data
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource(
                "/api/v1/clock",
                GET=Operation(
                    handler=self.clock,
                    summary="The market's own time, and whether it trades",
                    tag="market-data",
                    query=(CALENDAR,),
                    answers={200: Clock},
                    problems={404: ("unknown_calendar",), 503: ("market_data_unavailable",)},
                ),
            ),
            Resource(
                "/api/v1/calendar",
                GET=Operation(
                    handler=self.calendar,
                    summary="The sessions of a calendar",
                    tag="market-data",
                    query=(CALENDAR, START, END),
                    answers={200: Calendar},
                    problems={
                        400: ("missing_parameter", "invalid_value", "inverted_range", "range_too_long"),
                        404: ("unknown_calendar",),
                        503: ("market_data_unavailable",),
                    },
                ),
            ),
        ]

    async def clock(self, request: Request) -> Response:
        name = _asked(request.query("calendar"))
        await self._gate.user(request)
        found = await self._market_data.GetClock(market_data_pb2.GetClockRequest(calendar=name))
        return answer(render.clock(found))

    async def calendar(self, request: Request) -> Response:
        query = request.query("calendar", "start", "end")
        wanted = market_data_pb2.ListSessionsRequest(
            calendar=_asked(query), first_day=day(query, "start"), last_day=day(query, "end")
        )
        if wanted.last_day < wanted.first_day:
            raise Invalid("end is before start.", code="inverted_range", field="end")
        await self._gate.user(request)
        with naming(NAMES):
            found = await self._market_data.ListSessions(wanted)
        return answer(
            Calendar(
                calendar=found.calendar,
                timezone=found.timezone,
                sessions=[render.session(session) for session in found.sessions],
            )
        )


def _asked(query: Mapping[str, str]) -> str:
    return calendar_name(query["calendar"]) if "calendar" in query else ""
