"""A venue is asked to replace an order while it fills it, answers late, twice or in another order, and while
processes die: what is held is never less than needed, and nothing in the end."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest

from hub.order.v1 import order_pb2
from hub_errors import Conflict, Refused
from hub_order.domain import ReplaceRefused, Report, Status
from hub_order.venue import Faults, FillModel
from hub_runtime import CrashPointError, crash_points
from hub_runtime.crash_points import armed
from tests.adversity.asking import accepted, cancelled, replaced, replacing
from tests.adversity.checks import account, assert_right, needs
from tests.adversity.platform import Platform
from tests.adversity.venues import TellingVenue
from tests.support.tokens import TokenUser as User

GTC, DAY = order_pb2.TIME_IN_FORCE_GTC, order_pb2.TIME_IN_FORCE_DAY


@pytest.fixture
def venue(both: Platform) -> TellingVenue:
    """Fills at most what is shown, in one part."""
    made = TellingVenue(FillModel(participation=True), Faults(parts=0))
    both.venue = made
    return made


async def at_venue(both: Platform, user: User, *, shown: str = "4", **fields: object) -> UUID:
    """10 at 101: the venue has filled as many as were shown, and has said nothing yet."""
    both.tape.quote("AAPL", "99", "100", ask_size=shown)
    order_id = await accepted(both, user, **{"limit_price": "101", **fields})
    await both.through()
    assert (await both.order(order_id)).route is not None
    return order_id


async def heard(both: Platform, *reports: Report) -> None:
    """Each alone, and each twice."""
    for report in reports:
        await both.venue_desk.record([report, report])


async def everything(both: Platform, venue: TellingVenue) -> None:
    """All that it says is heard, and what it was asked for meanwhile, until nothing is under way."""
    for _ in range(20):
        await both.through()
        said, venue.said = venue.said, []
        await heard(both, *said)
        if not said and not await both.venue_desk.reconcile_once():
            break
    await both.through()
    await both.sweep()
    await both.through()


async def assert_enough(both: Platform, user: User, old_id: UUID, new_id: UUID) -> None:
    """What is held pays for whichever of both the venue goes on with, and for fills still to be told."""
    held = (await account(both, user)).held
    old, new = await both.order(old_id), await both.order(new_id)
    enough = needs(old) if not old.final else Decimal(0)
    if new.waits:
        assert new.limit_price is not None
        enough = max(enough, (new.quantity - old.filled_quantity - new.filled_quantity) * new.limit_price)
    elif not new.final:
        untold = Decimal(0) if old.venue_filled is None else old.venue_filled - old.filled_quantity
        enough = needs(new) + (Decimal(0) if old.final else untold * (old.limit_price or 0))
    assert held >= enough


@pytest.mark.parametrize("quantity", ["20", "10", "6"], ids=["up", "the same", "down"])
@pytest.mark.parametrize("price", ["101", "103", "96"], ids=["as it is", "dearer", "cheaper"])
async def test_a_fill_races_the_replacement(
    both: Platform, user: User, venue: TellingVenue, quantity: str, price: str
) -> None:
    """Fails where the new hold is covered by the old one's price although that one is still filled."""
    order_id = await at_venue(both, user)
    request = replacing(order_id, quantity=quantity, limit_price=price)
    await replaced(both, user, request)
    await both.through()
    for report in list(venue.said):
        await heard(both, report)
        await both.through()
        await assert_enough(both, user, order_id, UUID(request.new_order_id))
    old, new = await both.order(order_id), await both.order(UUID(request.new_order_id))
    assert (old.status, old.filled_quantity) == (Status.REPLACED, Decimal(4))
    assert new.quantity == int(quantity) - 4
    await everything(both, venue)
    await assert_right(both, [user])


@pytest.mark.parametrize("place", range(24))
async def test_the_answer_and_the_fills_come_in_whatever_order(
    both: Platform, user: User, venue: TellingVenue, place: int
) -> None:
    """Fills of the new order before the word that the venue has it, and fills of the old one after that."""
    order_id = await at_venue(both, user)
    request = replacing(order_id, quantity="8", limit_price="102")
    await replaced(both, user, request)
    await both.through()
    assert len(venue.said) == 5
    said, venue.said = venue.said[:4], venue.said[4:]
    for report in list(permutations(said))[place]:
        await heard(both, report)
        await both.through()
        await assert_enough(both, user, order_id, UUID(request.new_order_id))
    await everything(both, venue)
    old, new = await both.order(order_id), await both.order(UUID(request.new_order_id))
    assert (old.status, old.filled_quantity) == (Status.REPLACED, Decimal(4))
    assert (new.status, new.filled_quantity) == (Status.EXECUTED, Decimal(4))
    await assert_right(both, [user])


async def test_a_venue_that_refuses_leaves_all_as_it_was(
    both: Platform, user: User, venue: TellingVenue
) -> None:
    order_id = await at_venue(both, user, shown="0")
    request = replacing(order_id, quantity="20")
    await replaced(both, user, request)
    venue.said = []
    await heard(both, ReplaceRefused(order_id=order_id, successor=UUID(request.new_order_id), text="not now"))
    await both.through()
    new = await both.order(UUID(request.new_order_id))
    assert (new.status, new.reason) == (Status.FAILED, "NOT_REPLACED")
    assert (await account(both, user)).held == 10 * 101
    await everything(both, venue)
    assert (await both.order(order_id)).status is Status.PROCESSING
    await assert_right(both, [user])


@pytest.mark.parametrize(
    ("shown", "quantity"),
    [("500", "20"), ("500", "3"), ("4", "3"), ("4", "4")],
    ids=["filled whole", "filled whole and beyond", "filled beyond", "filled to the new quantity"],
)
async def test_what_was_filled_first_leaves_nothing_to_replace(
    both: Platform, user: User, venue: TellingVenue, shown: str, quantity: str
) -> None:
    order_id = await at_venue(both, user, shown=shown)
    request = replacing(order_id, quantity=quantity)
    await replaced(both, user, request)
    await everything(both, venue)
    old, new = await both.order(order_id), await both.order(UUID(request.new_order_id))
    assert old.status is (Status.EXECUTED if shown == "500" else Status.CANCELLED)
    assert (new.status, new.reason, new.filled_quantity) == (Status.FAILED, "NOT_REPLACED", Decimal(0))
    await assert_right(both, [user])
    assert (await account(both, user)).held == 0


@pytest.mark.parametrize("point", ["order.replace.after_hold", "order.replace.before_ask_commit"])
async def test_a_process_that_dies_before_it_is_durable_leaves_no_replacement(
    both: Platform, user: User, venue: TellingVenue, point: str
) -> None:
    order_id = await at_venue(both, user)
    request = replacing(order_id, quantity="20")
    with armed(f"{point}=error"), pytest.raises(CrashPointError):
        await replaced(both, user, request)
    await both.restart()
    await both.sweep()
    await everything(both, venue)
    assert (await both.order(order_id)).status is Status.PARTIALLY_EXECUTED
    await assert_right(both, [user])
    with pytest.raises(Conflict) as gone:
        await replaced(both, user, request)
    assert gone.value.code == "order_abandoned"


@pytest.mark.parametrize(
    "point",
    [
        "order.replace.after_ask_commit",
        "order.replace.after_ask",
        "order.record.before_commit",
        "order.record.after_commit",
    ],
)
async def test_a_process_that_dies_later_loses_nothing(
    both: Platform, user: User, venue: TellingVenue, point: str
) -> None:
    """What the venue had said to it is lost too; the caller's second try is answered as the first."""
    order_id = await at_venue(both, user)
    request = replacing(order_id, quantity="20", idempotency_key=f"k {order_id}")

    async def until_it_dies() -> None:
        await replaced(both, user, request)
        await both.through()
        await heard(both, *venue.said)

    with armed(f"{point}=error@1"):
        with suppress(CrashPointError):
            await until_it_dies()
        assert crash_points._armed[point].passes
    await both.restart()
    venue.said = []
    answer = await replaced(both, user, request)
    assert (answer.repeated, answer.order.quantity, answer.order.replace_requested) == (True, "20", True)
    await everything(both, venue)
    old, new = await both.order(order_id), await both.order(UUID(request.new_order_id))
    assert (old.status, old.filled_quantity, new.quantity) == (Status.REPLACED, Decimal(4), Decimal(16))
    await assert_right(both, [user])


@pytest.mark.parametrize("which", ["old", "new", "both"])
@pytest.mark.parametrize("answered_first", [True, False])
async def test_a_cancel_meanwhile_ends_all_of_it(
    both: Platform, user: User, venue: TellingVenue, which: str, answered_first: bool
) -> None:
    """`answered_first`: the venue has replaced it already, and its word is on its way."""
    order_id = await at_venue(both, user, shown="0")
    request = replacing(order_id, quantity="20")
    await replaced(both, user, request)
    new_id = UUID(request.new_order_id)
    if answered_first:
        await both.through()
    for each in (order_id, new_id):
        if which in {"old" if each == order_id else "new", "both"}:
            await cancelled(both, user, each)
    await everything(both, venue)
    assert ((await both.order(order_id)).status, (await both.order(new_id)).status) == (
        Status.REPLACED,
        Status.CANCELLED,
    )
    await assert_right(both, [user])
    assert (await account(both, user)).held == 0


@pytest.mark.parametrize(("force", "state"), [(DAY, Status.EXPIRED), (GTC, Status.PROCESSING)])
async def test_the_session_ends_meanwhile(
    both: Platform,
    user: User,
    venue: TellingVenue,
    force: order_pb2.TimeInForce.ValueType,
    state: Status,
) -> None:
    """The new order ends by its own time, and so not at all where it is good till cancelled."""
    order_id = await at_venue(both, user, shown="0")
    expires_at = (await both.order(order_id)).expires_at
    assert expires_at is not None
    request = replacing(order_id, quantity="20", time_in_force=force)
    await replaced(both, user, request)
    await both.through()
    both.tape.time(expires_at)
    await both.sweep()
    assert (await both.order(order_id)).ending == "EXPIRED"
    await everything(both, venue)
    await everything(both, venue)
    assert ((await both.order(order_id)).status, (await both.order(UUID(request.new_order_id))).status) == (
        Status.REPLACED,
        state,
    )
    await assert_right(both, [user])


async def test_the_rise_must_be_there_before_anybody_is_asked(both: Platform, venue: TellingVenue) -> None:
    user = await both.user(Decimal(2000))
    order_id = await at_venue(both, user)
    with pytest.raises(Refused) as refused:
        await replaced(both, user, replacing(order_id, quantity="30"))
    assert refused.value.code == "insufficient_funds"
    assert (await both.order(order_id)).successor is None
    await everything(both, venue)
    await assert_right(both, [user])
