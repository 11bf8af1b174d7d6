"""The page is for everybody and safe from anybody: hostile texts, the policy, keyboard, screen readers, every width."""

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from .conftest import ACTIVITY_TOPIC, TOPIC, OpenPage, Stage, card_start, row

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
STATE = ("status", "sessionTitle", "lastMessage")
TABS = ("pushes", "compose", "provider", "faults", "connections")


# --- strangers' texts ---------------------------------------------------------------------------------------------

EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"</text></svg>&amp;'


async def test_what_strangers_push_is_text_and_nothing_else(page_stage: Stage, open_page: OpenPage) -> None:
    page = await open_page(viewport={"width": 1500, "height": 900})
    await page.evaluate("Object.defineProperty(window, 'hacked', {set() { throw new Error('hacked'); }})")
    headers = {"apns-topic": TOPIC, "apns-push-type": "alert", "apns-collapse-id": EVIL[:60]}
    aps = {"alert": {"title": EVIL, "subtitle": EVIL, "body": EVIL}, EVIL: {EVIL: [EVIL]}}
    token = await page_stage.token()
    pushes: list[Json] = [
        {"token": token, "headers": headers, "payload": {"aps": aps, "sessionID": EVIL}},
        {"token": "<b>x", "headers": headers | {"apns-topic": EVIL, "apns-push-type": EVIL[:40]}, "payload": {}},
        {"token": token, "headers": headers | {"authorization": f"bearer {EVIL}"}, "body": f"</pre>{EVIL}"},
        {"token": await page_stage.token("push-to-start"), "headers": {"apns-topic": ACTIVITY_TOPIC, "apns-push-type": "liveactivity"},
         "payload": {"aps": card_start() | {"content-state": dict.fromkeys(STATE, EVIL), "attributes": {"sessionId": EVIL}}}},
    ]  # fmt: skip
    for number, push in enumerate(pushes, 1):
        await page_stage.post("/pushes", push)
        await page.locator(f'.row[data-number="{number}"]').click()
        await expect(page.locator(".detail")).to_be_visible()
        await page.get_by_role("button", name="Edit").click()
        await page.get_by_role("tab", name="Pushes").click()
    page_stage.journal.record("relay", "event", eventID=EVIL, eventType=EVIL, sessionID=EVIL)
    await page_stage.post("/faults", {"id": EVIL.replace("/", ""), "do": {"stall": True}})
    await page.get_by_role("tab", name="Faults").click()
    await page.locator(".rule-row").first.wait_for()
    await page.get_by_role("tab", name="Pushes").click()
    await expect(page.locator(".list")).to_contain_text(EVIL[:40])
    await expect(page.locator(".glass svg text").filter(has_text="<img").first).to_be_attached()
    found = await page.evaluate(
        "[...document.querySelectorAll('img:not(.bar img), script:not([src]), iframe, object, [onerror], [onload]')].length"
    )
    assert found == 0


async def test_the_policy_lets_nothing_else_run(page_stage: Stage, open_page: OpenPage) -> None:
    page = await open_page(expected="Content Security Policy|ERR_BLOCKED_BY_CSP|127.0.0.1:9/")
    ran = await page.evaluate(
        """async () => {
          const script = document.createElement("script");
          script.textContent = "window.ran = 1";
          document.body.append(script);
          let fetched = "refused";
          try { await fetch("http://127.0.0.1:9/"); fetched = "sent"; } catch {}
          return [window.ran ?? null, fetched];
        }"""
    )
    assert ran == [None, "refused"]
    assert await page.evaluate(
        "performance.getEntriesByType('resource').every((one) => one.name.startsWith(location.origin))"
    )


# --- for everybody ------------------------------------------------------------------------------------------------


async def test_it_is_used_by_keyboard_alone(page_stage: Stage, open_page: OpenPage) -> None:
    page = await open_page()
    for title in ("One", "Two", "Three"):
        await page_stage.push(title)
    await expect(page.locator(".list .row")).to_have_count(3)
    await page.get_by_role("tab", name="Pushes").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Compose")).to_be_focused()
    await expect(page.get_by_role("tab", name="Compose")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowLeft")
    await row(page, "Three").focus()
    await page.keyboard.press("ArrowDown")
    await expect(row(page, "Two")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".detail")).to_contain_text("Two")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".detail")).to_contain_text("One")
    await page_stage.push("Four")
    await expect(page.locator(".list .row")).to_have_count(4)
    await expect(row(page, "One")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".detail")).to_be_hidden()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Copy as curl").focus()
    await page.keyboard.press("Escape")
    await expect(page.locator(".detail")).to_be_hidden()
    await expect(row(page, "One")).to_be_focused()


async def test_axe_finds_nothing_on_any_view(page_stage: Stage, open_page: OpenPage) -> None:
    """Every rule of axe-core in the light scheme; in the dark one, where only colours differ, its rule on contrast."""
    page = await open_page(
        color_scheme="light",
        reduced_motion="reduce",
        viewport={"width": 1500, "height": 900},
        bypass_csp=True,
    )
    apns = page_stage.provider()
    await page_stage.push("Shown", apns=apns)
    await page_stage.push("Refused", token="ab" * 32, apns=apns)
    await page_stage.push_activity(await page_stage.token("push-to-start"), card_start(alert=False))
    await page_stage.push_activity(await page_stage.token("push-to-start"), card_start())
    page_stage.journal.record(
        "relay", "event", eventID="event-1", eventType="start", sessionID="ses_1", deliveries="1"
    )
    await row(page, "dropped").click()
    await page.locator("#chain .thread").wait_for()
    await page.evaluate(Axe().axe_script)
    found: list[str] = []
    for tab in TABS:
        await page.locator(f"#tab-{tab}").click()
        await _fill(page, tab)
        for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            await page.emulate_media(color_scheme=scheme)
            violations = await page.evaluate(
                "async (options) => (await axe.run(document, options)).violations",
                {"resultTypes": ["violations"], **options},
            )
            for violation in violations:
                nodes = [node["html"][:120] for node in violation["nodes"][:3]]
                found.append(f"{tab}, {scheme}: {violation['impact']} {violation['id']}: {nodes}")
    assert found == []


async def _fill(page: Page, tab: str) -> None:
    """What a view shows only when it was used."""
    if tab == "provider":
        await page.get_by_role("button", name="Sign one").click()
        await page.locator(".banner").wait_for()
    if tab == "faults":
        await page.get_by_role("switch", name="Slow").click()
        await page.locator(".rule-row").wait_for()


async def test_no_width_has_a_horizontal_bar(page_stage: Stage, open_page: OpenPage) -> None:
    apns = page_stage.provider()
    await page_stage.push("A title that is longer than a narrow window is wide, by a good deal", apns=apns)
    await page_stage.push_activity(await page_stage.token("push-to-start"), card_start())
    page = await open_page(viewport={"width": 360, "height": 740})
    page_stage.journal.record(
        "relay", "event", eventID="event-1", eventType="start", sessionID="ses_1", deliveries="1"
    )
    await page.locator(".list .row").first.click()
    await page.locator("#chain .thread").first.wait_for(state="attached")
    wide: list[str] = []
    for width in (360, 768, 1280, 1920, 3840):
        await page.set_viewport_size({"width": width, "height": width * 9 // 16})
        for tab in TABS:
            await page.locator(f"#tab-{tab}").click()
            if tab == "compose":
                await page.get_by_role("radio", name="Card: start").check()
            size = await page.evaluate("document.documentElement.scrollWidth")
            wide += [f"{tab} at {width}: {size}"] if size > width else []
    assert wide == []
