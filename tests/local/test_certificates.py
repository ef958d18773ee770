"""The certificates of a stack: one authority, one certificate per service, renewed in time."""

import datetime
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub_local import certificates
from hub_local.certificates import Authority


def test_a_certificate_names_its_service_and_serves_both_sides(tmp_path: Path) -> None:
    authority = Authority.create("Some authority")
    pem, _ = authority.issue("order", tmp_path)
    found = x509.load_pem_x509_certificate(pem.read_bytes())
    found.verify_directly_issued_by(authority.certificate)
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "order"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["order", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    usages = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert usages == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, ("order",))
    assert {key.stat().st_mode & 0o777 for key in tmp_path.glob("*.key")} == {0o600}


def test_certificates_are_kept_while_they_last(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, ("order", "auth"))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    certificates.ensure(tmp_path, ("order", "auth"))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_all_are_renewed_when_one_is_missing(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, ("order", "auth"))
    before = (tmp_path / "ca.pem").read_bytes()
    (tmp_path / "auth.key").unlink()
    certificates.ensure(tmp_path, ("order", "auth"))
    assert (tmp_path / "auth.key").exists()
    assert (tmp_path / "ca.pem").read_bytes() != before


def test_all_are_renewed_before_they_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "LIFETIME", certificates.RENEW_BEFORE - datetime.timedelta(days=1))
    certificates.ensure(tmp_path, ("order",))
    before = (tmp_path / "order.pem").read_bytes()
    monkeypatch.undo()
    certificates.ensure(tmp_path, ("order",))
    assert (tmp_path / "order.pem").read_bytes() != before


def shaken(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    """Whether both sides are content with each other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done = set()
    for side in sides * 3:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
            done.add(side)
    return len(done) == len(sides)


def test_a_strict_client_and_a_strict_server_take_them(tmp_path: Path) -> None:
    """As Python 3.13 asks for unless it is told otherwise: RFC 5280 to the letter."""
    certificates.ensure(tmp_path, ("order", "gateway"))
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.load_cert_chain(tmp_path / "gateway.pem", tmp_path / "gateway.key")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    server.load_cert_chain(tmp_path / "order.pem", tmp_path / "order.key")
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (client, server):
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert shaken(client, server, "order")
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(client, server, "position")
