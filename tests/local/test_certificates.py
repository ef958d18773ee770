"""The certificates of a stack: one authority, one certificate per service, renewed in time."""

import datetime
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
