"""/admin walked in Chromium, without scripts: with the mouse, by keyboard, for screen readers, in both schemes and at every width."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from browser import Watched
from component.admin.conftest import ADMIN, NAME, Phones, Site, running_site, traffic

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPECTED = re.compile(r"responded with a status of 40[34]")
"""What Chromium says of a wrong token, and of a page that is not there."""
PAGES = ("/admin", "/admin/deliveries", "/admin/deliveries?failed=1", "/admin/phones")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Phones]]:
    folder: Path = tmp_path_factory.mktemp("admin")
    async with running_site(DATABASE_URL=f"sqlite://{folder}/relay.sqlite3") as running:
        yield running, await traffic(running.case)


class Opened:
    """Pages in contexts of their own; afterwards, that nothing went wrong in them and no other host was asked."""

    def __init__(self, chromium: Browser, url: str, stack: AsyncExitStack) -> None:
        self._chromium, self._url, self._stack = chromium, url, stack
        self.watched: list[Watched] = []

    async def open(self, *, script: bool = False, scheme: str = "light", width: int = 1280) -> Page:
        context = await self._chromium.new_context(
            java_script_enabled=script,
            bypass_csp=script,
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        self._stack.push_async_callback(context.close)
        page = await context.new_page()
        self.watched.append(Watched(page, self._url))
        await page.goto(f"{self._url}/admin")
        return page

    async def logged_in(self, *, script: bool = False, scheme: str = "light", width: int = 1280) -> Page:
        page = await self.open(script=script, scheme=scheme, width=width)
        await page.get_by_label("Admin token").fill(ADMIN)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        return page


@pytest_asyncio.fixture(loop_scope="module")
async def opened(site: tuple[Site, Phones], chromium: Browser) -> AsyncIterator[Opened]:
    async with AsyncExitStack() as stack:
        found = Opened(chromium, site[0].url, stack)
        yield found
        faults = [fault for one in found.watched for fault in one.faults]
        assert [fault for fault in faults if not EXPECTED.search(fault)] == []


async def test_an_operator_walks_through_it(site: tuple[Site, Phones], opened: Opened) -> None:
    """Login, a day in figures, a delivery's story, a test push that rings, a phone that is forgotten, logout."""
    running, phones = site
    page = await opened.open()
    cookie = (await page.context.cookies())[:1]
    assert cookie == []
    await page.get_by_label("Admin token").fill("a token that is wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_have_text("That is not the admin token of this relay.")
    await page.get_by_label("Admin token").fill(ADMIN)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("img")).to_have_accessible_name(
        re.compile(r"^Attempts to push in the last 24 hours, by hour: 10,\d{3} taken by APNs")
    )
    await expect(page.get_by_role("row", name="181 alert queued ServiceUnavailable")).to_contain_text(
        "The service is unavailable."
    )
    await page.get_by_text("By hour, as a table").click()
    await expect(page.get_by_role("row", name=re.compile(r"^\d\d:00 \d+ 180 9$"))).to_be_visible()

    await page.get_by_role("link", name="All deliveries").click()
    await page.get_by_role("link", name="Failed", exact=True).click()
    gone = page.get_by_role("row", name="410 Unregistered")
    await expect(gone).to_contain_text(phones.gone)
    await gone.get_by_role("link", name="Story").click()
    await expect(page.get_by_role("listitem")).to_contain_text(
        'The device token is inactive for the specified topic. Apple, "Handling notification responses'
    )
    await page.get_by_role("link", name="Deliveries").click()
    await (
        page.get_by_role("row", name="attempt 2")
        .filter(has_text=phones.sent)
        .get_by_role("link", name="Story")
        .click()
    )
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await expect(page.get_by_role("listitem").first).to_contain_text("503 ServiceUnavailable")

    await page.get_by_role("link", name="Phones").click()
    received = len(running.case.received)
    await page.get_by_role("button", name=f"Test push to phone {phones.sent}").click()
    await expect(page.get_by_role("status")).to_have_text(
        "APNs took the test push: the phone should ring now."
    )
    assert len(running.case.received) == received + 1
    await page.get_by_role("link", name="Phones").click()
    await page.get_by_label("Secret").first.fill(NAME.upper())
    await page.get_by_role("button", name="Find").click()
    await expect(page.get_by_role("heading", level=2)).to_have_count(1)
    await page.get_by_role("link", name=f"Forget phone {phones.named}").click()
    await page.get_by_role("button", name="Forget the phone").click()
    await expect(page.get_by_role("status")).to_have_text("The phone is forgotten.")
    assert not any(token.endswith(phones.named) for token in await running.case.device_tokens())

    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    await page.go_back()
    await page.reload()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_it_is_used_by_keyboard_alone(opened: Opened) -> None:
    page = await opened.open()
    await page.keyboard.type(ADMIN)  # the field has the focus
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="To the content")).to_be_focused()
    for name in ("Overview", "Deliveries"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()


async def test_axe_finds_nothing_and_no_width_has_a_horizontal_bar(opened: Opened) -> None:
    """Every rule of axe-core in a wide window; in a narrow and dark one, where only colours and places differ, its rule on contrast."""
    page = await opened.logged_in(script=True)
    await page.goto(page.url.removesuffix("/admin") + "/admin/deliveries")
    story = await page.get_by_role("link", name="Story").first.get_attribute("href")
    await page.goto(page.url.removesuffix("/admin/deliveries") + "/admin/phones")
    forget = await page.get_by_role("link", name="Forget phone").first.get_attribute("href")
    base, found = page.url.removesuffix("/admin/phones"), list[str]()
    for path in (*PAGES, f"{story}?test=1", str(forget), "/admin/nothing"):
        await page.goto(base + path)
        await page.evaluate(Axe().axe_script)
        for scheme, width, options in (("light", 1440, {}), ("dark", 360, {"runOnly": ["color-contrast"]})):
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await page.set_viewport_size({"width": width, "height": 900})
            violations = await page.evaluate(
                "async (options) => (await axe.run(document, options)).violations",
                {"resultTypes": ["violations"], **options},
            )
            for one in violations:
                nodes = [node["html"][:120] for node in one["nodes"][:3]]
                found.append(f"{path}, {scheme}, {width}: {one['impact']} {one['id']}: {nodes}")
        for width in (360, 768, 1920, 3840):
            await page.set_viewport_size({"width": width, "height": 900})
            size = await page.evaluate("document.documentElement.scrollWidth")
            found += [f"{path} at {width}: {size}"] if size > width else []
    assert found == []
