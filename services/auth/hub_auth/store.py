"""All SQL of the auth service. Decides nothing but what a locked row says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from hub_auth.domain import Action, Denial, EndReason, Role, Session, Subject, User, VerificationKey
from hub_auth.keys import SealedKey
from hub_postgres import Connection, Pool, acquire, transaction

CHANNEL: Final = "trust"
# Longer than any transaction lasts: a denial is visible at most so long after its denied_at.
_OVERLAP: Final = timedelta(seconds=30)
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

_ADD_USER: Final = """
    INSERT INTO users (user_id, account_id, email, name, password_hash, roles, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (email) DO NOTHING
    RETURNING user_id
"""
_CREDENTIALS: Final = """
    SELECT user_id, account_id, email, name, roles, created_at, password_hash FROM users WHERE email = $1
"""
_USER: Final = "SELECT user_id, account_id, email, name, roles, created_at FROM users WHERE user_id = $1"
_LOCKED_USER: Final = """
    SELECT user_id, account_id, email, name, roles, created_at FROM users WHERE email = $1 FOR UPDATE
"""
_OTHER_ADMIN: Final = "SELECT EXISTS (SELECT FROM users WHERE 'admin' = ANY (roles) AND user_id <> $1)"
_HAS_ADMIN: Final = "SELECT EXISTS (SELECT FROM users WHERE 'admin' = ANY (roles))"
_SET_ROLES: Final = "UPDATE users SET roles = $2 WHERE user_id = $1"
_RUNNING_SESSIONS: Final = """
    SELECT session_id FROM sessions
     WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
     ORDER BY session_id
       FOR UPDATE
"""
# Who changes roles goes alone, so that two administrators cannot remove each other at once.
_ROLES_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('auth roles', 0))"
_ADD_SESSION: Final = """
    INSERT INTO sessions (session_id, user_id, account_id, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5)
"""
_ADD_REFRESH: Final = "INSERT INTO refresh_tokens (token_hash, session_id, created_at) VALUES ($1, $2, $3)"
# Of two that use a token at once, one gets the row; the other finds it used.
_USE_REFRESH: Final = """
    UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL RETURNING session_id
"""
_USED_REFRESH: Final = """
    SELECT s.session_id, s.user_id, s.account_id
      FROM refresh_tokens t JOIN sessions s USING (session_id)
     WHERE t.token_hash = $1
"""
_RUNNING_SESSION: Final = """
    SELECT u.user_id, u.account_id, u.email, u.name, u.roles, u.created_at
      FROM sessions s JOIN users u USING (user_id)
     WHERE s.session_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2
       FOR UPDATE OF s
"""
_END_SESSION: Final = """
    UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE session_id = $1 AND ended_at IS NULL
    RETURNING session_id
"""
_DENY: Final = """
    INSERT INTO denied (subject_id, until) VALUES ($1, $2)
    ON CONFLICT (subject_id) DO UPDATE
       SET until = greatest(denied.until, excluded.until), denied_at = clock_timestamp()
"""
_NOTIFY: Final = "SELECT pg_notify($1, '')"
_AUDIT: Final = """
    INSERT INTO audit_log (action, user_id, account_id, session_id, trace_id, detail)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
_KEY_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('auth signing key', 0))"
_NEWEST_KEY: Final = """
    SELECT kid, algorithm, public_key_pem, sealed_private_key
      FROM signing_keys
     WHERE retired_at IS NULL
     ORDER BY created_at DESC, kid
     LIMIT 1
"""
_ADD_KEY: Final = """
    INSERT INTO signing_keys (kid, algorithm, public_key_pem, sealed_private_key, created_at)
    VALUES ($1, $2, $3, $4, $5)
"""
_VERIFICATION_KEYS: Final = """
    SELECT kid, algorithm, public_key_pem FROM signing_keys WHERE retired_at IS NULL ORDER BY kid
"""
_DENIED: Final = "SELECT subject_id, until FROM denied WHERE denied_at > $1 AND until > clock_timestamp()"
_FORGET_DENIED: Final = "DELETE FROM denied WHERE until < $1"
_FORGET_SESSIONS: Final = "DELETE FROM sessions WHERE expires_at < $1"


@dataclass(frozen=True)
class Trusted:
    """Keys and what was denied lately, as the database knew them at `read_at` by its own clock."""

    keys: Sequence[VerificationKey]
    denied: Sequence[Denial]
    read_at: datetime


@dataclass(frozen=True)
class Ending:
    """Why and when a session ends, and until when its access tokens could still be shown."""

    reason: EndReason
    at: datetime
    denied_until: datetime
    trace_id: str

    @property
    def action(self) -> Action:
        return _ACTIONS[self.reason]


_ACTIONS: Final = {
    EndReason.LOGOUT: Action.LOGGED_OUT,
    EndReason.REUSE: Action.TOKEN_REUSED,
    EndReason.ROLES: Action.LOGGED_OUT,
}


class LastAdminError(Exception):
    """Without this one there would be no administrator; said on the locked rows."""


class Store:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add_user(self, user: User, password_hash: str, *, trace_id: str) -> bool:
        """False: the e-mail address is taken."""
        async with transaction(self._pool) as connection:
            added = await connection.fetchval(
                _ADD_USER,
                user.user_id,
                user.account_id,
                user.email,
                user.name,
                password_hash,
                [role.value for role in user.roles],
                user.created_at,
            )
            if added is not None:
                await _audit(connection, Action.REGISTERED, user.subject, trace_id)
            return added is not None

    async def credentials(self, email: str) -> tuple[User, str] | None:
        async with acquire(self._pool) as connection:
            row = await connection.fetchrow(_CREDENTIALS, email)
        return None if row is None else (_user(row), row["password_hash"])

    async def user(self, user_id: UUID) -> User | None:
        async with acquire(self._pool) as connection:
            row = await connection.fetchrow(_USER, user_id)
        return None if row is None else _user(row)

    async def login_failed(self, subject: Subject, *, trace_id: str) -> None:
        async with acquire(self._pool) as connection:
            await _audit(connection, Action.LOGIN_FAILED, subject, trace_id)

    async def open_session(self, session: Session, token_hash: bytes, *, trace_id: str) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(
                _ADD_SESSION,
                session.session_id,
                session.user_id,
                session.account_id,
                session.created_at,
                session.expires_at,
            )
            await connection.execute(_ADD_REFRESH, token_hash, session.session_id, session.created_at)
            await _audit(connection, Action.LOGGED_IN, session.subject, trace_id)

    async def rotate(
        self,
        token_hash: bytes,
        successor_hash: bytes,
        *,
        now: datetime,
        denied_until: datetime,
        trace_id: str,
    ) -> tuple[User, UUID] | None:
        """Who goes on in which session. None: the token is worth nothing; if it was used before, its session
        has ended now."""
        async with transaction(self._pool) as connection:
            session_id = await connection.fetchval(_USE_REFRESH, token_hash, now)
            if session_id is None:
                used = await connection.fetchrow(_USED_REFRESH, token_hash)
                if used is not None:
                    ending = Ending(EndReason.REUSE, now, denied_until, trace_id)
                    await _end(connection, Subject(**used), ending)
                return None
            row = await connection.fetchrow(_RUNNING_SESSION, session_id, now)
            if row is None:
                return None
            await connection.execute(_ADD_REFRESH, successor_hash, session_id, now)
            return _user(row), session_id

    async def log_out(
        self, subject: Subject, *, now: datetime, denied_until: datetime, trace_id: str
    ) -> None:
        async with transaction(self._pool) as connection:
            await _end(connection, subject, Ending(EndReason.LOGOUT, now, denied_until, trace_id))

    async def has_admin(self) -> bool:
        async with acquire(self._pool) as connection:
            return bool(await connection.fetchval(_HAS_ADMIN))

    async def set_roles(
        self, email: str, roles: Sequence[Role], *, actor: Subject, ending: Ending
    ) -> User | None:
        """The user as it is then, with no session left; None where there is no such user.
        Raises LastAdminError."""
        async with transaction(self._pool) as connection:
            await connection.execute(_ROLES_LOCK)
            row = await connection.fetchrow(_LOCKED_USER, email)
            if row is None:
                return None
            user = _user(row)
            loses = Role.ADMIN in user.roles and Role.ADMIN not in roles
            if loses and not await connection.fetchval(_OTHER_ADMIN, user.user_id):
                raise LastAdminError(email)
            names = [role.value for role in roles]
            await connection.execute(_SET_ROLES, user.user_id, names)
            detail = f"{user.user_id}: {', '.join(names)}"
            await _audit(connection, Action.ROLES_CHANGED, actor, ending.trace_id, detail)
            for session in await connection.fetch(_RUNNING_SESSIONS, user.user_id, ending.at):
                await _end(connection, replace(user.subject, session_id=session["session_id"]), ending)
            return replace(user, roles=tuple(roles))

    async def signing_key(self, make: Callable[[], SealedKey], *, now: datetime) -> SealedKey:
        """The key to sign with; made by the first process that asks."""
        async with transaction(self._pool) as connection:
            await connection.execute(_KEY_LOCK)
            row = await connection.fetchrow(_NEWEST_KEY)
            if row is not None:
                return SealedKey(_verification_key(row), row["sealed_private_key"])
            made = make()
            key = made.verification
            await connection.execute(_ADD_KEY, key.kid, key.algorithm, key.public_key_pem, made.sealed, now)
            return made

    async def trusted(self, since: datetime | None) -> Trusted:
        """All keys, and what was denied since an earlier `read_at` (some of it again), or all of it."""
        after = _BEGINNING if since is None else since - _OVERLAP
        async with acquire(self._pool) as connection:
            read_at = await connection.fetchval("SELECT clock_timestamp()")
            keys = await connection.fetch(_VERIFICATION_KEYS)
            denied = await connection.fetch(_DENIED, after)
        return Trusted([_verification_key(row) for row in keys], [Denial(**row) for row in denied], read_at)

    async def forget(self, *, denied_before: datetime, expired_before: datetime) -> None:
        """Removes what can make no difference any more."""
        async with acquire(self._pool) as connection:
            await connection.execute(_FORGET_DENIED, denied_before)
            await connection.execute(_FORGET_SESSIONS, expired_before)


async def _end(connection: Connection, subject: Subject, ending: Ending) -> None:
    """Once: a session that has ended stays as it is."""
    ended = await connection.fetchval(_END_SESSION, subject.session_id, ending.at, ending.reason.value)
    if ended is None:
        return
    await connection.execute(_DENY, subject.session_id, ending.denied_until)
    await _audit(connection, ending.action, subject, ending.trace_id)
    await connection.execute(_NOTIFY, CHANNEL)


async def _audit(
    connection: Connection, action: Action, subject: Subject, trace_id: str, detail: str = ""
) -> None:
    await connection.execute(
        _AUDIT, action.value, subject.user_id, subject.account_id, subject.session_id, trace_id, detail
    )


def _user(row: asyncpg.Record) -> User:
    return User(
        user_id=row["user_id"],
        account_id=row["account_id"],
        email=row["email"],
        name=row["name"],
        roles=tuple(Role(role) for role in row["roles"]),
        created_at=row["created_at"],
    )


def _verification_key(row: asyncpg.Record) -> VerificationKey:
    return VerificationKey(kid=row["kid"], algorithm=row["algorithm"], public_key_pem=row["public_key_pem"])
