"""Events become updates that carry what a screen shows."""

from __future__ import annotations

import msgspec
import pytest

from hub.event.v1 import event_pb2
from hub.order.v1 import order_pb2
from hub_gateway import render_orders
from hub_quote_stream import mapping
from tests.gateway.examples import an_order, filled
from tests.quote_stream.quotes import loaded

ORDER = order_pb2.Order(
    order_id="o-1",
    account_id="a-1",
    symbol="MSFT",
    side=order_pb2.SIDE_BUY,
    type=order_pb2.ORDER_TYPE_LIMIT,
    time_in_force=order_pb2.TIME_IN_FORCE_GTC,
    quantity="5",
    limit_price="410.5",
    status=order_pb2.ORDER_STATUS_PROCESSING,
    filled_quantity="0",
    version=3,
)


def envelope(**payload: object) -> event_pb2.Envelope:
    return event_pb2.Envelope(event_id="e-1", account_id="a-1", type="t", **payload)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "event",
    [
        envelope(order_accepted=event_pb2.OrderAccepted(order=ORDER)),
        envelope(order_executed=event_pb2.OrderExecuted(order=ORDER)),
        envelope(order_closed=event_pb2.OrderClosed(order=ORDER)),
    ],
    ids=lambda event: event.WhichOneof("payload"),
)
def test_an_event_of_an_order_is_an_update_of_it(event: event_pb2.Envelope) -> None:
    [update] = mapping.updates(event)
    assert (update.kind, update.subject_id, update.version) == ("order", "o-1", 3)
    assert (update.account_id, update.event_id) == ("a-1", "e-1")
    assert loaded(update.update_json) == msgspec.to_builtins(render_orders.order(ORDER))


@pytest.mark.parametrize("order", [ORDER, filled(order_pb2.Order())])
def test_an_order_looks_as_it_does_over_http(order: order_pb2.Order) -> None:
    """There are two renderings, because services share no code: whatever one shows, the other shows too."""
    assert mapping.order(order) == msgspec.to_builtins(render_orders.order(order))


def test_every_field_of_an_order_is_shown() -> None:
    assert mapping.order(ORDER).keys() == set(order_pb2.Order.DESCRIPTOR.fields_by_name)


def test_a_replacement_is_an_update_of_both_orders() -> None:
    old = an_order("o-1", status=order_pb2.ORDER_STATUS_REPLACED, version=4, replaced_by="o-2")
    new = an_order("o-2", status=order_pb2.ORDER_STATUS_PENDING, version=1, replaces="o-1")
    updates = mapping.updates(envelope(order_replaced=event_pb2.OrderReplaced(order=old, new_order=new)))
    assert [(each.kind, each.subject_id, each.version) for each in updates] == [
        ("order", "o-1", 4),
        ("order", "o-2", 1),
    ]
    ended, begun = (loaded(each.update_json) for each in updates)
    assert (ended["status"], ended["replaced_by"]) == ("REPLACED", "o-2")
    assert (begun["status"], begun["replaces"]) == ("PENDING", "o-1")


def test_a_position_and_an_account_are_told_with_their_versions() -> None:
    changed = event_pb2.PositionChanged(
        kind="updated", symbol="AAPL", quantity="6", total_cost="600", version=2
    )
    [position] = mapping.updates(envelope(position_changed=changed))
    cash = event_pb2.AccountChanged(
        cash="99400", held="0", buying_power="99400", version=7, status="ACTIVE", trading_state="HALTED"
    )
    [account] = mapping.updates(envelope(account_changed=cash))
    assert (position.kind, position.subject_id, position.version) == ("position", "AAPL", 2)
    assert loaded(position.update_json)["quantity"] == "6"
    assert (account.kind, account.subject_id, account.version) == ("account", "a-1", 7)
    told = loaded(account.update_json)
    assert (told["buying_power"], told["status"], told["trading_state"]) == ("99400", "ACTIVE", "HALTED")


def test_what_an_older_position_service_does_not_tell_is_null() -> None:
    [account] = mapping.updates(envelope(account_changed=event_pb2.AccountChanged(cash="1", version=1)))
    assert loaded(account.update_json)["trading_state"] is None


@pytest.mark.parametrize(
    "event", [envelope(), envelope(order_triggered=event_pb2.OrderTriggered(order_id="o"))]
)
def test_what_no_screen_shows_is_no_update(event: event_pb2.Envelope) -> None:
    assert mapping.updates(event) == []
