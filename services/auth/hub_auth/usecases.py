"""What auth does: registering, logging in and out, going on with a session, signing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from hub_auth import keys
from hub_auth.domain import (
    EndReason,
    Role,
    Session,
    Subject,
    User,
    email_address,
    good_password,
    invalid_credentials,
    invalid_refresh_token,
    last_admin,
    masked,
    person_name,
    roles_of,
)
from hub_auth.passwords import Passwords
from hub_auth.store import Ending, LastAdminError, Store
from hub_auth.tokens import Issuer, Tokens, new_refresh_token, refresh_token_hash
from hub_errors import Conflict, Invalid, NotFound
from hub_identity import Principal, require_role
from hub_runtime import Clock, counter, current_traceparent, get_logger, uuid7

# Access tokens that `migrate` cannot ask the issuer about are denied for longer than any lives.
OLD_TOKENS: Final = timedelta(days=1)

log = get_logger("auth")


async def register(
    email: str,
    password: str,
    name: str,
    *,
    store: Store,
    passwords: Passwords,
    common: Collection[str],
    clock: Clock,
) -> User:
    address = email_address(email)
    user = User(
        user_id=uuid7(),
        account_id=uuid7(),
        email=address,
        name=person_name(name),
        roles=(Role.USER,),
        created_at=clock(),
    )
    password_hash = await passwords.hash(good_password(password, email=address, common=common))
    if not await store.add_user(user, password_hash, trace_id=_trace_id()):
        raise Conflict("There is an account with this e-mail address.", code="email_taken", field="email")
    text = f"{masked(user.email)} registered"
    log.info("user_registered", user_id=str(user.user_id), highlight=True, text=text)
    return user


async def login(
    email: str,
    password: str,
    *,
    store: Store,
    passwords: Passwords,
    issuer: Issuer,
    clock: Clock,
    session_lifetime: timedelta,
) -> tuple[Tokens, User]:
    """An unknown address costs as much time, and leaves as much behind, as a wrong password."""
    found = await store.credentials(_possible_address(email))
    matches = await passwords.matches(found[1] if found else None, password)
    if found is None or not matches:
        _logins("refused")
        await store.login_failed(found[0].subject if found else Subject(), trace_id=_trace_id())
        raise invalid_credentials()
    user, now, refresh_token = found[0], clock(), new_refresh_token()
    session = Session(
        session_id=uuid7(),
        user_id=user.user_id,
        account_id=user.account_id,
        created_at=now,
        expires_at=now + session_lifetime,
    )
    await store.open_session(session, refresh_token_hash(refresh_token), trace_id=_trace_id())
    _logins("accepted")
    return issuer.tokens(user, session.session_id, refresh_token, now=now), user


async def refresh(refresh_token: str, *, store: Store, issuer: Issuer, clock: Clock) -> Tokens:
    now, successor = clock(), new_refresh_token()
    rotated = await store.rotate(
        refresh_token_hash(refresh_token),
        refresh_token_hash(successor),
        now=now,
        denied_until=issuer.denied_until(now),
        trace_id=_trace_id(),
    )
    if rotated is None:
        raise invalid_refresh_token()
    user, session_id = rotated
    return issuer.tokens(user, session_id, successor, now=now)


async def log_out(principal: Principal, *, store: Store, issuer: Issuer, clock: Clock) -> None:
    now = clock()
    subject = Subject(
        user_id=UUID(principal.user_id),
        account_id=UUID(principal.account_id),
        session_id=UUID(principal.session_id),
    )
    await store.log_out(subject, now=now, denied_until=issuer.denied_until(now), trace_id=_trace_id())


async def get_me(principal: Principal, *, store: Store) -> User:
    user = await store.user(UUID(principal.user_id))
    if user is None:
        raise _user_not_found()
    return user


async def set_roles(
    email: str, roles: Sequence[str], principal: Principal, *, store: Store, issuer: Issuer, clock: Clock
) -> User:
    """Whoever had other roles has to log in again: tokens in use say what was true when they were made."""
    require_role(principal, Role.ADMIN.value)
    actor = Subject(
        user_id=UUID(principal.user_id),
        account_id=UUID(principal.account_id),
        session_id=UUID(principal.session_id),
    )
    ending = Ending(EndReason.ROLES, clock(), issuer.denied_until(clock()), _trace_id())
    try:
        user = await store.set_roles(email_address(email), roles_of(roles), actor=actor, ending=ending)
    except LastAdminError:
        raise last_admin() from None
    if user is None:
        raise _user_not_found()
    log.info("roles_changed", user_id=str(user.user_id), roles=[role.value for role in user.roles])
    return user


async def ensure_admin(
    email: str, password: str, *, store: Store, passwords: Passwords, common: Collection[str], clock: Clock
) -> None:
    """The first administrator. A user who is there keeps the password, and gets the role only while nobody
    has it: what an administrator has taken away does not come back by a start."""
    address = email_address(email)
    found = await store.credentials(address)
    if found is None:
        user = User(
            user_id=uuid7(),
            account_id=uuid7(),
            email=address,
            name="Administrator",
            roles=(Role.USER, Role.ADMIN),
            created_at=clock(),
        )
        password_hash = await passwords.hash(good_password(password, email=address, common=common))
        await store.add_user(user, password_hash, trace_id=_trace_id())
        log.info("admin_created", user_id=str(user.user_id))
    elif not await store.has_admin():
        roles = tuple(role for role in Role if role in {*found[0].roles, Role.ADMIN})
        ending = Ending(EndReason.ROLES, clock(), clock() + OLD_TOKENS, _trace_id())
        await store.set_roles(address, roles, actor=Subject(), ending=ending)
        log.info("admin_promoted", user_id=str(found[0].user_id))


async def signing_key(*, store: Store, secret: bytes, clock: Clock) -> keys.SigningKey:
    """Raises WrongSecretError when the stored key was sealed with another secret."""
    sealed = await store.signing_key(lambda: keys.seal(keys.new_key(), secret), now=clock())
    return keys.unseal(sealed, secret)


def _possible_address(email: str) -> str:
    """What cannot be an address is looked up as one that nobody has."""
    try:
        return email_address(email)
    except Invalid:
        return ""


def _user_not_found() -> NotFound:
    return NotFound("There is no such user.", code="user_not_found")


def _logins(outcome: str) -> None:
    counter("hub_auth_logins_total", "Logins by outcome", ("outcome",)).labels(outcome).inc()


def _trace_id() -> str:
    return current_traceparent()[3:35]
