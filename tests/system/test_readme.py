"""What README.md and CONTRIBUTING.md say, done by a new user of the running system."""

from __future__ import annotations

import pytest

from hub_local.stack import Stack
from tests.pages.check_readme import PAGES, check

TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


@pytest.mark.parametrize("page", TEXTS)
async def test_every_command_of_a_page_gives_what_the_page_shows(stack: Stack, page: str) -> None:
    assert await check(TEXTS[page], stack.gateway_url, state=stack.layout.state) == []
