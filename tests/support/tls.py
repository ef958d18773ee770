"""Certificates for tests: an authority, files per service, and an authority nobody trusts."""

from dataclasses import dataclass
from pathlib import Path

from hub_local.certificates import Authority
from hub_runtime.common_settings import TlsFiles

__all__ = ["Authority", "Tls"]


@dataclass(frozen=True)
class Tls:
    """One authority and the certificates it issued so far, as files."""

    folder: Path
    authority: Authority

    @classmethod
    def create(cls, folder: Path, name: str = "Test authority") -> "Tls":
        authority = Authority.create(name)
        authority.save(folder)
        return cls(folder, authority)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def files(self, service: str) -> TlsFiles:
        """The files a process of that name is given."""
        certificate, key = self.folder / f"{service}.pem", self.folder / f"{service}.key"
        if not certificate.exists():
            self.authority.issue(service, self.folder)
        return TlsFiles(self.ca, certificate, key)
