"""Who is calling: verification of access tokens, the live key set and deny set."""

from hub_identity.principal import Principal, current_principal, require_role
from hub_identity.trust import Trust

__all__ = ["Principal", "Trust", "current_principal", "require_role"]
