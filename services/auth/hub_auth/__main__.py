"""Wiring of the auth service: the only place that builds pools, servers and jobs."""

from __future__ import annotations

from functools import partial

from hub.auth.v1 import auth_pb2_grpc
from hub_auth import usecases, worker
from hub_auth.keys import SigningKey, WrongSecretError
from hub_auth.passwords import Passwords, common_passwords
from hub_auth.publication import Publication
from hub_auth.rpc import CALL_TABLE, AuthRpc
from hub_auth.settings import AuthSettings
from hub_auth.store import CHANNEL, Store
from hub_auth.tokens import Issuer
from hub_errors import Invalid, Unavailable
from hub_identity import Trust
from hub_postgres import DatabaseProbe, Wakeup, pooled
from hub_postgres import migrate as apply_migrations
from hub_rpc import Server
from hub_runtime import Backoff, Process, SettingsError, gauge, get_logger, main, supervised, utc_now

DESCRIPTION = "Users, sessions and the keys that sign access tokens"
JOBS = {"serve": "answers gRPC; tells all services which tokens to trust"}

log = get_logger("auth")


async def run(settings: AuthSettings, jobs: frozenset[str], process: Process) -> None:
    del jobs  # there is only one
    pool = await process.stack.enter_async_context(pooled(settings, application_name="auth"))
    passwords = await process.stack.enter_async_context(Passwords(threads=settings.password_threads))
    store, publication, trust = Store(pool), Publication(), Trust()
    probe = DatabaseProbe(pool, package="hub_auth")
    process.spawn(probe.run(), "database probe")
    process.ready("database", probe.state)
    process.ready("trust", publication.state)
    key = await _signing_key(store, settings, process)
    if key is None:
        return
    wakeup = Wakeup(settings.database_url, settings.database_password, CHANNEL)
    process.spawn(wakeup.run(), "wake-up")
    follow = partial(worker.follow_database, publication, store=store, wakeup=wakeup, clock=utc_now)
    process.spawn(supervised("trust", follow, Backoff(0.1, 1.0)), "trust")
    process.spawn(worker.follow_publication(publication, trust), "own trust")
    gauge("hub_auth_trust_streams", "Open WatchTrust calls").set_function(lambda: publication.readers)
    rpc = AuthRpc(
        store=store,
        passwords=passwords,
        common=common_passwords(),
        issuer=Issuer(key, lifetime=settings.access_token_lifetime),
        trust=trust,
        publication=publication,
        clock=utc_now,
        session_lifetime=settings.session_lifetime,
    )
    server = Server(
        settings.grpc_address,
        settings.tls,
        CALL_TABLE,
        [partial(auth_pb2_grpc.add_AuthServiceServicer_to_server, rpc)],
        reflection=settings.environment != "production",
        checks={"trust": publication.state},
        information={"database": probe.state},
        drain_s=0.0,
    )
    async with server:
        await process.drained()


async def _signing_key(store: Store, settings: AuthSettings, process: Process) -> SigningKey | None:
    """Waits for the database; None when the process is to stop before it has come."""
    backoff = Backoff(0.1, 1.0)
    while not process.stopping.is_set():
        try:
            return await usecases.signing_key(store=store, secret=settings.signing_secret, clock=utc_now)
        except Unavailable as error:
            log.warning("signing_key_waits", reason=error.code)
            await backoff.wait()
        except WrongSecretError as error:
            fault = f"HUB_SIGNING_SECRET_FILE: is not the secret that signing key {error} was stored with"
            raise SettingsError([fault]) from None
    return None


async def migrate(settings: AuthSettings) -> None:
    await apply_migrations(settings.database_url, settings.database_password, "hub_auth")
    if (admin := settings.first_admin) is None:
        return
    async with pooled(settings, application_name="auth migrate") as pool, Passwords(threads=1) as passwords:
        try:
            await usecases.ensure_admin(
                *admin, store=Store(pool), passwords=passwords, common=common_passwords(), clock=utc_now
            )
        except Invalid as error:
            variable = "HUB_ADMIN_EMAIL" if error.field == "email" else "HUB_ADMIN_PASSWORD_FILE"
            raise SettingsError([f"{variable}: {error.message}"]) from None


if __name__ == "__main__":
    main("auth", DESCRIPTION, JOBS, AuthSettings, run, migrate)
