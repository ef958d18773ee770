"""The demo login: one user whose password was made for this checkout, registered like any other."""

from pathlib import Path

import httpx

from hub_local.credentials import secret

EMAIL = "demo@hub.example"
LIMIT = 10.0


async def ensure_demo_login(gateway: str, secrets: Path) -> str:
    """Registers the user the first time; answers what to type, or why it cannot be had."""
    password = secret(secrets / "demo-login")[:24]
    registration = {"email": EMAIL, "password": password, "name": "Demo"}
    login = {"email": EMAIL, "password": password}
    try:
        async with httpx.AsyncClient(base_url=gateway, timeout=LIMIT, trust_env=False) as http:
            answer = await http.post("/api/v1/auth/login", json=login)
            if answer.status_code != 200:
                answer = await http.post("/api/v1/auth/register", json=registration)
    except httpx.HTTPError as error:
        return f"not made: {type(error).__name__} from the gateway"
    if answer.status_code not in (200, 201):
        return f"not made: the gateway answered {answer.status_code}"
    return f"{EMAIL} / {password}"
