"""Domain -> protobuf. Decides nothing."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from hub.auth.v1 import auth_pb2 as pb
from hub_auth.domain import User
from hub_auth.publication import News
from hub_auth.tokens import Tokens


def timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def user_to_proto(user: User) -> pb.User:
    return pb.User(
        user_id=str(user.user_id),
        account_id=str(user.account_id),
        email=user.email,
        name=user.name,
        roles=[role.value for role in user.roles],
        created_at=timestamp(user.created_at),
    )


def tokens_to_proto(tokens: Tokens) -> pb.Tokens:
    return pb.Tokens(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=int(tokens.expires_in.total_seconds()),
    )


def trust_message(news: News) -> pb.WatchTrustResponse:
    return pb.WatchTrustResponse(
        snapshot=news.snapshot,
        keys=[
            pb.VerificationKey(kid=key.kid, algorithm=key.algorithm, public_key_pem=key.public_key_pem)
            for key in news.keys
        ],
        denied=[
            pb.Denied(subject_id=str(denial.subject_id), until=timestamp(denial.until))
            for denial in news.denied
        ],
    )
