"""hub_errors <-> google.rpc.Status, the only place where the two meet."""

from __future__ import annotations

from datetime import timedelta

import grpc
from google.rpc import error_details_pb2, status_pb2

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

DOMAIN = "hub"
DETAILS_KEY = "grpc-status-details-bin"
MESSAGE_LIMIT = 1000  # details ride in a trailer, which has to stay small

_STATUS: dict[type[HubError], grpc.StatusCode] = {
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.ALREADY_EXISTS,
    Refused: grpc.StatusCode.FAILED_PRECONDITION,
    Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    Timeout: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_BY_NUMBER: dict[int, grpc.StatusCode] = {status.value[0]: status for status in grpc.StatusCode}
_ERRORS: dict[grpc.StatusCode, type[HubError]] = {status: error for error, status in _STATUS.items()} | {
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: Invalid,
    grpc.StatusCode.CANCELLED: Unavailable,  # not by us: the peer is overrun or stops
}
# What a status means when it comes from the transport and not from one of our services.
_PLAIN: dict[grpc.StatusCode, tuple[str, str]] = {
    grpc.StatusCode.UNAVAILABLE: ("peer_unavailable", "A part of the platform cannot be reached now."),
    grpc.StatusCode.CANCELLED: ("peer_unavailable", "A part of the platform cannot be reached now."),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("deadline_exceeded", "No answer in time."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("peer_overloaded", "A part of the platform is overloaded."),
    grpc.StatusCode.UNIMPLEMENTED: ("not_implemented", "A part of the platform does not know this request."),
}


def status_of(error: HubError) -> grpc.StatusCode:
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return grpc.StatusCode.INTERNAL


def status_number(error: HubError) -> int:
    """The gRPC status number, as results of batches carry it."""
    return int(status_of(error).value[0])


def error_from(
    number: int, *, message: str, code: str, field: str = "", retry_after_s: float = 1.0
) -> HubError:
    """The error a status number stands for."""
    kind = _ERRORS.get(_BY_NUMBER.get(number, grpc.StatusCode.UNKNOWN), HubError)
    if issubclass(kind, Exhausted):
        return kind(message, code=code, field=field, retry_after_s=retry_after_s)
    return kind(message, code=code, field=field)


def encode(error: HubError) -> status_pb2.Status:
    status = status_pb2.Status(code=status_number(error), message=error.message[:MESSAGE_LIMIT])
    info = error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN)
    if error.field:
        info.metadata["field"] = error.field
    status.details.add().Pack(info)
    if isinstance(error, Invalid) and error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=status.message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, Exhausted):
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(timedelta(seconds=error.retry_after_s))
        status.details.add().Pack(retry)
    return status


def decode(error: grpc.aio.AioRpcError) -> HubError:
    """What the service raised; a general error where the transport failed or the peer is not one of ours."""
    details = _details(error)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    found, retry_after_s = False, 1.0
    for detail in details.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            found = True
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    status = error.code()
    number = int(status.value[0])
    if not found:
        code, message = _PLAIN.get(status, (status.name.lower(), "A part of the platform failed."))
        return error_from(number, message=message, code=code)
    return error_from(
        number,
        message=details.message,
        code=info.reason,
        field=info.metadata.get("field", ""),
        retry_after_s=retry_after_s,
    )


def answered(error: grpc.aio.AioRpcError) -> bool:
    """Whether a service of ours chose this answer, rather than the transport."""
    return bool(_details(error).details)


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()
