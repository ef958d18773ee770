"""Secrets and certificates for containers: all there after one call, and never replaced."""

import io
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from hub_local import commands, compose
from hub_local.layout import SERVICES
from hub_local.report import Report


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_is_missing_afterwards(tmp_path: Path) -> None:
    assert len(compose.missing(tmp_path)) > len(SERVICES)
    compose.make(tmp_path)
    assert compose.missing(tmp_path) == []


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    compose.make(tmp_path)
    before = contents(tmp_path)
    assert compose.make(tmp_path).new == ()
    assert contents(tmp_path) == before


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    compose.make(tmp_path)
    before = contents(tmp_path)
    lost = {
        tmp_path / "secrets/redis",
        tmp_path / "certificates/order.key",
        tmp_path / "certificates/order.pem",
    }
    for path in lost:
        path.unlink()
    assert set(compose.make(tmp_path).new) == lost
    after = contents(tmp_path)
    assert {path: content for path, content in after.items() if path not in lost} == {
        path: content for path, content in before.items() if path not in lost
    }
    assert after[tmp_path / "secrets/redis"] != before[tmp_path / "secrets/redis"]


def test_no_two_secrets_are_the_same(tmp_path: Path) -> None:
    compose.make(tmp_path)
    secrets = list(contents(tmp_path / "secrets").values())
    assert len(set(secrets)) == len(secrets)


def test_containers_can_read_the_files_and_strangers_cannot_reach_them(tmp_path: Path) -> None:
    compose.make(tmp_path)
    for folder in ("secrets", "certificates"):
        assert (tmp_path / folder).stat().st_mode & 0o077 == 0
    for path in contents(tmp_path):
        public = path.stat().st_mode & 0o004
        assert bool(public) == (path.name != "ca.key"), path.name


@pytest.mark.parametrize("name", [*SERVICES, *compose.SERVERS])
def test_a_certificate_has_the_name_its_container_is_called_by(name: str, tmp_path: Path) -> None:
    compose.make(tmp_path)
    folder = tmp_path / "certificates"
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name in names.get_values_for_type(x509.DNSName)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")  # raises if they do not fit


async def test_a_start_without_secrets_names_them_and_makes_none(tmp_path: Path) -> None:
    screen = io.StringIO()
    assert await commands.compose_secrets(tmp_path, check=True, report=Report(screen)) == 1
    assert f"there is no {tmp_path}/secrets/signing" in screen.getvalue()
    assert "make compose-secrets" in screen.getvalue()
    assert contents(tmp_path) == {}


class TestTellCompose:
    def test_a_new_file_names_the_folder(self, tmp_path: Path) -> None:
        compose.tell_compose(tmp_path, tmp_path / "deploy/compose")
        assert (tmp_path / ".env").read_text() == "SECRETS_FOLDER=./deploy/compose\n"

    def test_other_lines_stay_and_its_own_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("GATEWAY_PORT=9000\nSECRETS_FOLDER=/old\nHUB_LOG_LEVEL=debug")
        compose.tell_compose(tmp_path, Path("/elsewhere"))
        assert (tmp_path / ".env").read_text() == (
            "GATEWAY_PORT=9000\nSECRETS_FOLDER=/elsewhere\nHUB_LOG_LEVEL=debug"
        )
