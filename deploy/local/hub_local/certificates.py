"""A certificate authority of one's own and what it issues. For loopback and tests, never for production."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub_local.credentials import write_private

LIFETIME = datetime.timedelta(days=730)
RENEW_BEFORE = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Authority:
    """Signs certificates for services."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(subject=name, issuer=_name(name), public_key=key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, folder: Path) -> Self:
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key is not an elliptic curve key")
        return cls(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), key)

    def save(self, folder: Path) -> None:
        (folder / "ca.pem").write_bytes(_pem(self.certificate))
        write_private(folder / "ca.key", _key_pem(self.key).decode())

    def issue(self, service: str, folder: Path) -> tuple[Path, Path]:
        """Writes <service>.pem and <service>.key."""
        certificate, key = self.issue_pem(service)
        pem, key_file = folder / f"{service}.pem", folder / f"{service}.key"
        write_private(key_file, key.decode())
        pem.write_bytes(certificate)
        return pem, key_file

    def issue_pem(self, service: str) -> tuple[bytes, bytes]:
        """Certificate and key of a peer that is server and client."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses: list[x509.GeneralName] = [x509.DNSName(service), x509.DNSName("localhost")]
        addresses.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        certificate = (
            _builder(subject=service, issuer=self.certificate.subject, public_key=key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return _pem(certificate), _key_pem(key)


def ensure(folder: Path, services: tuple[str, ...]) -> None:
    """One authority and a certificate per service; all made anew when one is missing or about to expire."""
    files = [folder / f"{name}{end}" for name in ("ca", *services) for end in (".pem", ".key")]
    if all(lasts(file) for file in files):
        return
    authority = Authority.create("Hub Investments local authority")
    authority.save(folder)
    for service in services:
        authority.issue(service, folder)


def lasts(file: Path) -> bool:
    """Whether the file is there and, if a certificate, good for some time yet."""
    if not file.exists() or file.suffix == ".key":
        return file.exists()
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return certificate.not_valid_after_utc - RENEW_BEFORE > datetime.datetime.now(datetime.UTC)


def _builder(
    *, subject: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
