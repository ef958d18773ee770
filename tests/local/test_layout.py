"""Where a stack lives, which ports it uses, and what its processes are told."""

import io
import os
from pathlib import Path

import pytest

from hub_local.credentials import secret
from hub_local.faults import StackError
from hub_local.layout import FEEDS, SERVICES, Layout, environment, state_directory
from hub_local.ports import LARGEST_SHIFT, PROBED, Ports, free_ports, is_free
from hub_local.report import Report
from hub_local.running import stack_of_checkout
from hub_market_data import settings


def test_the_table_has_no_circle() -> None:
    order: list[str] = []
    while len(order) < len(SERVICES):
        ready = [s.name for s in SERVICES.values() if s.name not in order and set(s.peers) <= set(order)]
        assert ready, "peers that wait for each other"
        order += ready


def test_local_ports_are_below_the_ephemeral_range_and_all_different() -> None:
    ports = list(Ports.local(tuple(SERVICES)).named().values())
    assert len(ports) == len(set(ports))
    assert max(ports) < 32768


def test_probed_ports_are_free_and_apart_from_the_fixed_ones() -> None:
    probed = free_ports(50)
    assert len(set(probed)) == 50
    assert all(20000 <= port < 32768 for port in probed)
    assert any(is_free(port) for port in probed)
    assert not set(probed) & set(Ports.local(tuple(SERVICES)).named().values())


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_process_knows_its_peers_and_only_what_it_needs(name: str, tmp_path: Path) -> None:
    service, ports = SERVICES[name], Ports.local(tuple(SERVICES))
    found = environment(service, layout=Layout(tmp_path), ports=ports)
    targets = {key for key in found if key.startswith("HUB_") and key.endswith("_TARGET")}
    assert targets == {f"HUB_{peer.upper().replace('-', '_')}_TARGET" for peer in service.peers}
    assert ("HUB_DATABASE_URL" in found) == service.database
    assert ("HUB_AMQP_URL" in found) == service.amqp
    assert ("HUB_REDIS_URL" in found) == service.redis


def test_only_the_migration_of_auth_is_told_of_the_administrator(tmp_path: Path) -> None:
    layout, ports = Layout(tmp_path), Ports.local(tuple(SERVICES))
    layout.make()
    secret(layout.admin_password)
    told = {
        (name, migrate)
        for name, service in SERVICES.items()
        for migrate in (False, True)
        if "HUB_ADMIN_PASSWORD_FILE" in environment(service, layout=layout, ports=ports, migrate=migrate)
    }
    assert told == {("auth", True)}


def test_the_callers_settings_pass_but_do_not_replace_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_LOG_LEVEL", "debug")
    monkeypatch.setenv("HUB_FEED_SPEED", "60")
    monkeypatch.setenv("HUB_GRPC_ADDRESS", "0.0.0.0:1")
    ports = Ports.local(tuple(SERVICES))
    found = environment(SERVICES["market-data"], layout=Layout(tmp_path), ports=ports)
    assert found["HUB_LOG_LEVEL"] == "debug"
    assert found["HUB_FEED_SPEED"] == "60"
    assert found["HUB_GRPC_ADDRESS"] == "127.0.0.1:21002"


def test_loopback_never_goes_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "intranet")
    found = environment(SERVICES["auth"], layout=Layout(tmp_path), ports=Ports.local(tuple(SERVICES)))
    assert found["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_data_stays_in_the_checkout_unless_the_servers_cannot_enter(
    folder_for_servers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = folder_for_servers / "home" / "checkout"
    checkout.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_directory(checkout) == checkout / ".local"
    checkout.parent.chmod(0o700)
    assert state_directory(checkout).parent == Path("/var/lib/hub-investments")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert state_directory(checkout) == checkout / ".local"


def test_shifted_ports_are_apart_from_the_fixed_ones() -> None:
    fixed = Ports.local(tuple(SERVICES)).named()
    shifted = Ports.local(tuple(SERVICES), shift=100).named()
    assert shifted.pop("gateway http") == fixed.pop("gateway http")
    assert shifted == {name: port + 100 for name, port in fixed.items()}
    largest = Ports.local(tuple(SERVICES), shift=LARGEST_SHIFT).named().values()
    assert not set(PROBED) & {*fixed.values(), *shifted.values(), *largest}


def test_front_ends_in_development_may_use_the_gateway_unless_the_caller_names_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = Ports.local(tuple(SERVICES))
    monkeypatch.delenv("HUB_CORS_ORIGINS", raising=False)
    found = environment(SERVICES["gateway"], layout=Layout(tmp_path), ports=ports)
    assert found["HUB_CORS_ORIGINS"] == "http://127.0.0.1:3000,http://localhost:3000"
    assert "HUB_CORS_ORIGINS" not in environment(SERVICES["order"], layout=Layout(tmp_path), ports=ports)
    monkeypatch.setenv("HUB_CORS_ORIGINS", "https://app.example")
    found = environment(SERVICES["gateway"], layout=Layout(tmp_path), ports=ports)
    assert found["HUB_CORS_ORIGINS"] == "https://app.example"


def test_each_feed_has_data_of_its_own_and_shares_all_else(tmp_path: Path) -> None:
    usual, lean = Layout(tmp_path), Layout(tmp_path, "lean")
    assert usual.data("postgres") == tmp_path / "data" / "postgres"
    assert lean.data("postgres") == tmp_path / "data-lean" / "postgres"
    assert (usual.lock, usual.secrets, usual.logs) == (lean.lock, lean.secrets, lean.logs)
    lean.make()
    assert (tmp_path / "data-lean").is_dir()


def test_a_feed_that_there_is_not_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(io.StringIO())
    monkeypatch.setenv("HUB_FEED", "lean")
    assert stack_of_checkout(http_port=1, report=report).layout.feed == "lean"
    monkeypatch.setenv("HUB_FEED", "bloomberg")
    with pytest.raises(StackError, match="no feed bloomberg, but replay, lean, random, alpaca"):
        stack_of_checkout(http_port=1, report=report)


def test_the_feeds_are_those_of_the_service() -> None:
    assert FEEDS == settings.FEEDS
