"""The page is this server's own: nothing from elsewhere runs in it, and no other page of the browser reaches the API."""

import re
from pathlib import Path

import pytest

from simulator.lab.control import page

from .conftest import Stage

FILES = sorted(path.name for path in page.FOLDER.iterdir())


async def fetch(
    stage: Stage, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    url = stage.control.url.removesuffix("/control") + path
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with stage.http.request(method, url, headers=named) as response:
        return response.status, dict(response.headers), await response.text()


async def test_the_page_and_its_parts_are_served_with_a_strict_policy(stage: Stage) -> None:
    for path in ("/", *(f"/page/{name}" for name in FILES)):
        status, headers, text = await fetch(stage, path)
        assert (status, bool(text)) == (200, True), path
        assert headers["Content-Type"].split(";")[0] in (
            "text/html",
            "text/css",
            "text/javascript",
            "image/svg+xml",
        )
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2fdevice.py", "%2e%2e%2fpage.py", "page.css%00", "index.html%2f"]
)
async def test_nothing_else_is_served_by_its_name(stage: Stage, name: str) -> None:
    status, _, text = await fetch(stage, f"/page/{name}")
    assert (status, "not_found" in text) == (404, True)


async def test_a_reply_of_the_api_is_no_script_of_another_page(stage: Stage) -> None:
    _, headers, _ = await fetch(stage, "/control/keys")
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ("GET", {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"}, 403),
        ("POST", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 403),
        ("GET", {"Origin": "http://evil.example"}, 403),
        ("GET", {"Host": "rebound.example"}, 403),
        ("GET", {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}, 200),
        ("GET", {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"}, 200),
        ("GET", {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 200),
    ],
)
async def test_another_page_of_the_browser_gets_nothing(
    stage: Stage, method: str, headers: dict[str, str], status: int
) -> None:
    path = "/control/reset" if method == "POST" else "/control/keys"
    assert (await fetch(stage, path, method, **headers))[0] == status


@pytest.mark.parametrize("path", sorted(page.FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_part_names_another_host_or_makes_html_of_a_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"""(?:src|href|url|import|fetch)\b[^\n]{0,20}?["'(](?:https?:)?//\w""", text)
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text
    )
    if path.suffix == ".html":
        assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_every_module_is_fetched_with_the_page() -> None:
    markup = (page.FOLDER / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:modulepreload" href|module" src)="/page/([\w.]+)"', markup)
    assert sorted(named) == [name for name in FILES if name.endswith(".js")]
