"""/admin: halts, trading hours, the cache, the market's clock, and the roles of users. market-data and auth
check the role once more, and record who did what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from hub.auth.v1 import auth_pb2
from hub.market_data.v1 import market_data_admin_pb2 as admin_pb2
from hub_errors import Invalid
from hub_gateway import render
from hub_gateway.calendars import calendar_name
from hub_gateway.codec import Body, Schema
from hub_gateway.exchange import Request, Response, answer
from hub_gateway.gate import Gate
from hub_gateway.market_data import known_symbol, symbol
from hub_gateway.operation import Access, Operation, Parameter, Resource
from hub_gateway.pages import moment
from hub_gateway.peers import Peers
from hub_gateway.types.admin import CacheTouched, MarketTime
from hub_gateway.types.auth import Role, User
from hub_gateway.types.calendars import Hours, NewCalendar
from hub_gateway.types.common import PRINTABLE, Day, Symbol, Time, described
from hub_gateway.types.market_data import Instrument
from hub_rpc import calling_as
from hub_texts import printable

MOST_SYMBOLS: Final = 100
# A change is told to all streams before it is answered.
ADMIN_TIME_S: Final = 5.0


class Halt(Body, frozen=True):
    """Why trading stops."""

    reason: Annotated[
        str, described("For people.", "news pending", pattern=PRINTABLE, minLength=1, maxLength=200)
    ]


class CalendarName(Body, frozen=True):
    """A calendar to create."""

    calendar: Annotated[str, described("Its name.", "XTKS", pattern="^[A-Z0-9][A-Z0-9.]{0,11}$")]
    timezone: Annotated[str, described("IANA name of its time zone.", "Asia/Tokyo", maxLength=64)]


_OPENS: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
_CLOSES: Final = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"


class DayHours(Body, frozen=True):
    """A session of a day, in the calendar's time zone."""

    opens: Annotated[str, described("HH:MM", "09:30", pattern=_OPENS)]
    closes: Annotated[
        str, described("HH:MM, later than opens; 24:00 ends the day.", "16:00", pattern=_CLOSES)
    ]


class TradingHours(Body, frozen=True):
    """Sessions for some days, in place of those they had."""

    first_day: Day
    last_day: Annotated[Day, described("Inclusive, at most 400 days later.", "2026-11-27")]
    hours: Annotated[list[DayHours], described("In time order; empty: closed.", maxItems=12)]
    weekdays: Annotated[
        tuple[Annotated[int, described("A weekday.", 1, minimum=1, maximum=7)], ...],
        described("Only these; 1 is Monday. Empty: every day.", [1, 2, 3, 4, 5]),
    ] = ()


class Symbols(Body, frozen=True):
    """Which instruments."""

    symbols: Annotated[list[Symbol], described("1 to 100.", ["AAPL"], minItems=1, maxItems=100)]


class Moment(Body, frozen=True):
    """Where to move the market's clock."""

    market_time: Annotated[Time, described("Later than it is, by at most a year.")]


class UserRoles(Body, frozen=True):
    """A user and all roles the user is to have; `user` is always one."""

    email: Annotated[str, described("The user's.", "ada@example.com", maxLength=254)]
    roles: list[Role]


_HALT: Final[Schema[Halt]] = Schema(Halt)
_CALENDAR: Final[Schema[CalendarName]] = Schema(CalendarName)
_HOURS: Final[Schema[TradingHours]] = Schema(TradingHours)
_SYMBOLS: Final[Schema[Symbols]] = Schema(Symbols)
_MOMENT: Final[Schema[Moment]] = Schema(Moment)
_ROLES: Final[Schema[UserRoles]] = Schema(UserRoles)
_SYMBOL: Final = "[A-Z0-9][A-Z0-9.\\-]{0,15}"
SYMBOLS: Final = Parameter(
    name="symbols",
    description="1 to 100, with commas between.",
    schema={"type": "string", "pattern": f"^{_SYMBOL}(,{_SYMBOL}){{0,99}}$"},
    required=True,
    example="AAPL,MSFT",
)


class Admin:
    def __init__(self, *, peers: Peers, gate: Gate) -> None:
        self._market = peers.market_data_admin
        self._auth = peers.auth
        self._gate = gate

    def resources(self) -> Sequence[Resource]:
        return [
            Resource("/api/v1/admin/instruments/{symbol}/halt", POST=self._halt()),
            Resource("/api/v1/admin/instruments/{symbol}/resume", POST=self._resume()),
            Resource("/api/v1/admin/calendars", POST=self._create_calendar()),
            Resource("/api/v1/admin/calendars/{calendar}/hours", PUT=self._set_hours()),
            Resource("/api/v1/admin/market-data/cache", DELETE=self._invalidate()),
            Resource("/api/v1/admin/market-data/cache/warm", POST=self._warm()),
            Resource("/api/v1/admin/market-data/clock", POST=self._move_clock()),
            Resource("/api/v1/admin/users/roles", PUT=self._set_roles()),
        ]

    def _halt(self) -> Operation:
        return Operation(
            handler=self.halt,
            summary="Stop trading in an instrument",
            tag="admin",
            description="Effective everywhere within two seconds. Orders that rest stay, and are not filled.",
            access=Access.ADMIN,
            body=Halt,
            answers={200: Instrument},
            problems={
                400: ("invalid_length", "invalid_characters", "invalid_reason"),
                404: ("unknown_symbol",),
            },
        )

    def _resume(self) -> Operation:
        return Operation(
            handler=self.resume,
            summary="Let trading go on",
            tag="admin",
            description="While a split is being applied it is 409: that halt ends by itself.",
            access=Access.ADMIN,
            answers={200: Instrument},
            problems={404: ("unknown_symbol",), 409: ("corporate_action_halt",)},
        )

    def _create_calendar(self) -> Operation:
        return Operation(
            handler=self.create_calendar,
            summary="Add a trading calendar",
            tag="admin",
            access=Access.ADMIN,
            body=CalendarName,
            answers={201: NewCalendar},
            problems={
                400: ("invalid_length", "invalid_characters", "invalid_calendar", "unknown_timezone"),
                409: ("calendar_in_use",),
            },
        )

    def _set_hours(self) -> Operation:
        return Operation(
            handler=self.set_hours,
            summary="Set the sessions of some days",
            tag="admin",
            description="Effective everywhere within two seconds.",
            access=Access.ADMIN,
            body=TradingHours,
            answers={200: Hours},
            problems={
                400: (
                    "invalid_date",
                    "inverted_range",
                    "range_too_long",
                    "invalid_weekday",
                    "invalid_hours",
                    "invalid_time",
                    "closes_before_open",
                    "overlapping_hours",
                    "too_many_hours",
                ),
                404: ("unknown_calendar",),
                409: ("calendar_always_open", "calendar_changed"),
            },
        )

    def _invalidate(self) -> Operation:
        return Operation(
            handler=self.invalidate,
            summary="Forget what is cached of some instruments",
            tag="admin",
            access=Access.ADMIN,
            query=(SYMBOLS,),
            answers={200: CacheTouched},
            problems={
                400: ("missing_parameter", "invalid_length", "invalid_symbol"),
                503: ("cache_unavailable",),
            },
        )

    def _warm(self) -> Operation:
        return Operation(
            handler=self.warm,
            summary="Read some instruments into the cache",
            tag="admin",
            access=Access.ADMIN,
            body=Symbols,
            answers={200: CacheTouched},
            problems={
                400: ("invalid_length", "invalid_symbol"),
                404: ("unknown_symbol",),
                503: ("cache_unavailable", "market_data_unavailable"),
            },
        )

    def _move_clock(self) -> Operation:
        return Operation(
            handler=self.move_clock,
            summary="Move the market's clock forward",
            tag="admin",
            description="For sandboxes: sessions open and close, orders expire. Refused in production.",
            access=Access.ADMIN,
            body=Moment,
            answers={200: MarketTime},
            problems={
                400: ("invalid_value", "market_time_not_later", "market_time_too_far"),
                422: ("not_in_production",),
            },
        )

    def _set_roles(self) -> Operation:
        return Operation(
            handler=self.set_roles,
            summary="Set the roles of a user",
            tag="admin",
            description="Ends the user's sessions: tokens say what was true when they were made.",
            access=Access.ADMIN,
            body=UserRoles,
            answers={200: User},
            problems={
                400: ("invalid_length", "invalid_characters", "invalid_email"),
                404: ("user_not_found",),
                422: ("last_admin",),
            },
        )

    async def halt(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _HALT.read(await request.json())
        wanted = admin_pb2.HaltInstrumentRequest(
            symbol=known_symbol(request),
            reason=printable(body.reason, field="reason", shortest=1, longest=200),
        )
        with calling_as(caller.token):
            found = await self._market.HaltInstrument(wanted, timeout=ADMIN_TIME_S)
        return answer(render.instrument(found.instrument))

    async def resume(self, request: Request) -> Response:
        request.query()
        caller = await self._gate.admin(request)
        wanted = admin_pb2.ResumeInstrumentRequest(symbol=known_symbol(request))
        with calling_as(caller.token):
            found = await self._market.ResumeInstrument(wanted, timeout=ADMIN_TIME_S)
        return answer(render.instrument(found.instrument))

    async def create_calendar(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _CALENDAR.read(await request.json())
        wanted = admin_pb2.CreateCalendarRequest(
            calendar=printable(body.calendar, field="calendar", longest=12),
            timezone=printable(body.timezone, field="timezone", longest=64),
        )
        with calling_as(caller.token):
            made = await self._market.CreateCalendar(wanted, timeout=ADMIN_TIME_S)
        return answer(NewCalendar(calendar=made.calendar, timezone=made.timezone), status=201)

    async def set_hours(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _HOURS.read(await request.json())
        wanted = admin_pb2.SetTradingHoursRequest(
            calendar=calendar_name(request.parameter("calendar")),
            first_day=body.first_day,
            last_day=body.last_day,
            weekdays=_weekdays(body.weekdays),
            hours=[admin_pb2.DayHours(opens=each.opens, closes=each.closes) for each in body.hours],
        )
        with calling_as(caller.token):
            found = await self._market.SetTradingHours(wanted, timeout=ADMIN_TIME_S)
        return answer(Hours(sessions=[render.session(session) for session in found.sessions]))

    async def invalidate(self, request: Request) -> Response:
        query = request.query("symbols")
        caller = await self._gate.admin(request)
        if "symbols" not in query:
            raise Invalid("symbols is missing.", code="missing_parameter", field="symbols")
        wanted = admin_pb2.InvalidateCacheRequest(symbols=_symbols(query["symbols"].split(",")))
        with calling_as(caller.token):
            done = await self._market.InvalidateCache(wanted, timeout=ADMIN_TIME_S)
        return answer(CacheTouched(count=done.count))

    async def warm(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        wanted = admin_pb2.WarmCacheRequest(symbols=_symbols(_SYMBOLS.read(await request.json()).symbols))
        with calling_as(caller.token):
            done = await self._market.WarmCache(wanted, timeout=ADMIN_TIME_S)
        return answer(CacheTouched(count=done.count))

    async def move_clock(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _MOMENT.read(await request.json())
        wanted = admin_pb2.MoveMarketTimeRequest()
        wanted.market_time.FromDatetime(moment(body.market_time, field="market_time"))
        with calling_as(caller.token):
            moved = await self._market.MoveMarketTime(wanted, timeout=ADMIN_TIME_S)
        return answer(MarketTime(market_time=render.when(moved.market_time)))

    async def set_roles(self, request: Request) -> Response:
        caller = await self._gate.admin(request)
        body = _ROLES.read(await request.json())
        email = printable(body.email, field="email", shortest=1, longest=254)
        wanted = auth_pb2.SetUserRolesRequest(email=email, roles=body.roles)
        with calling_as(caller.token):
            found = await self._auth.SetUserRoles(wanted)
        return answer(render.user(found.user))


def _symbols(texts: Sequence[str]) -> list[str]:
    if not 1 <= len(texts) <= MOST_SYMBOLS:
        raise Invalid(f"symbols must name 1 to {MOST_SYMBOLS}.", code="invalid_length", field="symbols")
    return [symbol(text, field="symbols") for text in texts]


def _weekdays(days: Sequence[int]) -> Sequence[int]:
    if not all(1 <= day <= 7 for day in days):
        raise Invalid("A weekday is 1 (Monday) to 7.", code="invalid_weekday", field="weekdays")
    return days
