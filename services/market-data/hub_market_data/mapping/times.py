"""Moments in time."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hub_errors import Invalid


def timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def read_moment(stamp: Timestamp, field: str) -> datetime:
    """Raises Invalid for one that no calendar has."""
    try:
        return moment(stamp)
    except (ValueError, OverflowError):
        raise Invalid(f"{field} is not a time.", code="invalid_time", field=field) from None


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
