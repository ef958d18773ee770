"""The explorer at /docs: from this process only, and nothing but the files it needs."""

from __future__ import annotations

import re

import httpx
import pytest

from hub_gateway.docs import ASSETS, STREAM
from tests.gateway.test_bad_input import problem
from tests.gateway.world import Gateway


async def test_the_page_names_only_files_that_are_served(lonely: Gateway) -> None:
    page = await lonely.http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    wanted = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert {f"/docs/{name}" for name in ASSETS} == set(wanted)
    for path in wanted:
        asset = await lonely.http.get(path)
        assert asset.status_code == 200
        assert asset.headers["content-type"] == ASSETS[path.removeprefix("/docs/")]
        assert asset.headers["cache-control"] == "public, max-age=86400"
        assert asset.content


async def test_the_page_of_the_stream_names_only_files_that_are_served(lonely: Gateway) -> None:
    page = await lonely.http.get("/docs/stream.html")
    wanted = set(re.findall(r'(?:src|href)="([^"]*)"', page.text))
    script = await lonely.http.get("/docs/stream-page.js")
    wanted |= set(re.findall(r'from "([^"]*)"', script.text))
    assert wanted == {"/docs/favicon-32x32.png", "/docs/stream-page.js", "/docs/stream-client.js"}
    for path in wanted:
        assert (await lonely.http.get(path)).status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|javascript:", page.text)


async def test_the_page_has_a_policy_of_its_own_and_everything_else_the_strict_one(lonely: Gateway) -> None:
    own = (await lonely.http.get("/docs")).headers.get_list("content-security-policy")
    assert len(own) == 1
    assert "script-src 'self';" in own[0]
    assert "frame-ancestors 'none'" in own[0]
    assert "http" not in own[0]
    for path in ("/docs/start.js", "/openapi.json", "/healthz"):
        strict = (await lonely.http.get(path)).headers.get_list("content-security-policy")
        assert strict == ["default-src 'none'; frame-ancestors 'none'"]
        assert (await lonely.http.get(path)).headers["x-content-type-options"] == "nosniff"


async def test_no_script_and_no_style_stands_in_the_page(lonely: Gateway) -> None:
    text = (await lonely.http.get("/docs")).text
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|javascript:", text)


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", *(f"/docs/{name}" for name in (*ASSETS, *STREAM))]
)
async def test_who_has_it_already_is_told_so(lonely: Gateway, path: str) -> None:
    first = await lonely.http.get(path)
    again = await lonely.http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await lonely.http.get(path, headers={"if-none-match": '"another"'})
    assert other.content == first.content
    head = await lonely.http.head(path)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(first.content)))


@pytest.mark.parametrize(
    "path",
    [
        "/docs/",
        "/docs/index.html",
        "/docs/docs.py",
        "/docs/../docs.py",
        "/docs/%2e%2e/docs.py",
        "/docs/..%2fdocs.py",
        "/docs/%2fetc%2fpasswd",
        "/docs//etc/passwd",
        "/docs/start.js%00",
        "/docs/swagger-ui-bundle.js.map",
        "/docs/START.JS",
        "/docs/explorer/start.js",
    ],
)
async def test_nothing_else_can_be_read(lonely: Gateway, path: str) -> None:
    answer = await lonely.http.send(httpx.Request("GET", lonely.url + path))
    problem(answer, 404, "unknown_path")
    raw = await lonely.http.send(httpx.Request("GET", lonely.url, extensions={"target": path.encode()}))
    problem(raw, 404, "unknown_path")


async def test_the_explorer_takes_no_query(lonely: Gateway) -> None:
    for path in ("/docs?url=https://example.com/evil.json", "/docs/start.js?x=1", "/openapi.json?x=1"):
        problem(await lonely.http.get(path), 400, "unknown_parameter")
