"""Where the parts of a running stack are, and how a test gets in."""

from __future__ import annotations

from hub_local.ports import HOST
from hub_local.stack import Stack


def admin_url(stack: Stack, service: str) -> str:
    return f"http://{HOST}:{stack.ports.admin[service]}"


def grpc_target(stack: Stack, service: str) -> str:
    return f"{HOST}:{stack.ports.grpc[service]}"


def database(stack: Stack, service: str) -> str:
    """The service's database as its owner."""
    role = f"hub_{service}_owner"
    password = (stack.layout.secrets / role).read_text().strip()
    return f"postgresql://{role}:{password}@{HOST}:{stack.ports.postgres}/hub_{service}"


def ca_pem(stack: Stack) -> bytes:
    return (stack.layout.certificates / "ca.pem").read_bytes()


def certificate_pem(stack: Stack, service: str) -> tuple[bytes, bytes]:
    """Private key and certificate chain."""
    folder = stack.layout.certificates
    return (folder / f"{service}.key").read_bytes(), (folder / f"{service}.pem").read_bytes()
