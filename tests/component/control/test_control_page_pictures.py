"""The README's pictures of the page, made here: `make pictures` stores them, every other run only sees that they can be made."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page, expect

from browser import opened
from simulator.clock import VirtualClock

from .conftest import ACTIVITY_TOPIC, TOPIC, Stage, card_start, row

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORED = os.environ.get("PAGE_PICTURES")
SUNDAY = 1_796_034_552.0
"""2026-11-30 10:29:12 UTC."""
Json = dict[str, Any]


@pytest_asyncio.fixture(loop_scope="module")
async def picture_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """At a time of its own, so that the same pictures come out."""
    async with AsyncExitStack() as stack:
        stage = Stage(VirtualClock(SUNDAY), tmp_path, stack, heartbeat=5.0)
        await stage.start()
        yield stage


async def send(
    stage: Stage,
    payload: Json,
    *,
    kind: str = "alert",
    topic: str = TOPIC,
    token: str | None = None,
    pause: float = 1.4,
) -> Json:
    live = kind != "alert"
    headers = {
        "apns-topic": topic,
        "apns-push-type": "liveactivity" if live else "alert",
        "apns-priority": "10",
    }
    push = {"token": token or await stage.token(kind), "headers": headers, "payload": payload}
    found: Json = (await stage.post("/pushes", push))["push"]
    await stage.lab.advance(pause)
    return found


def alert(title: str, body: str, **rest: Any) -> Json:
    return {"aps": {"alert": {"title": title, "body": body}, "sound": "default", **rest}}


async def card(stage: Stage, **changes: Any) -> Json:
    """A push that starts a card."""
    aps = card_start() | {"timestamp": int(stage.lab.clock.now())} | changes
    return await send(
        stage,
        {"aps": {name: value for name, value in aps.items() if value is not None}},
        kind="push-to-start",
        topic=ACTIVITY_TOPIC,
    )


async def keep(page: Page, name: str) -> None:
    """A picture that is worth one: as large as the window, and more than one colour. Stored only when that is asked for."""
    await page.mouse.move(0, 0)
    octets = await page.screenshot()
    with Image.open(BytesIO(octets)) as image:
        width, height = image.size
        colours = len(image.convert("RGB").quantize(256).getcolors() or ())
        assert (width >= 1900, height >= 1200, colours > 100) == (True, True, True)
        if STORED:
            image.convert("RGB").save(Path(STORED) / name, quality=90, method=6)


async def test_the_picture_of_a_push_that_was_dropped(picture_stage: Stage, chromium: Browser) -> None:
    stage = picture_stage
    await card(
        stage,
        **{
            "content-state": {
                "status": "working",
                "sessionTitle": "Fix the login bug",
                "lastMessage": "Reading src/auth.py",
            }
        },
    )
    await send(stage, alert("Translate the docs", "All 14 pages are done; two links were dead."))
    await send(stage, alert("Hello", "World"), topic="com.acme.app")
    await send(stage, alert("Hello", "World"), token="5f" * 32)
    await send(
        stage,
        alert(
            "Action Needed: Fix the login bug", "bash: npm test", **{"interruption-level": "time-sensitive"}
        ),
    )
    await send(stage, {"message": "no aps at all"})
    await card(stage, alert=None)
    base = stage.control.page_url.removesuffix("/")
    async with opened(
        chromium, base, device_scale_factor=1.5, timezone_id="UTC", reduced_motion="reduce"
    ) as page:
        await row(page, "dropped: no alert").click()
        await expect(page.locator(".detail .rule")).to_be_visible()
        await keep(page, "page.webp")


async def test_the_picture_of_the_way_from_opencode_to_the_screen(
    picture_stage: Stage, chromium: Browser
) -> None:
    stage = picture_stage
    journal = stage.journal

    def reported(name: str, kind: str, event: str | None, session: str) -> None:
        if event is not None:
            journal.record("opencode", "event", type=event, sessionID=session, root=session)
        journal.record("relay", "event", eventID=name, eventType=kind, sessionID=session, deliveries="1")

    def sent(name: str, push: Json, kind: str) -> None:
        journal.record(
            "relay", "delivery", eventID=name, apnsID=push["apns_id"], pushType=kind, status="sent"
        )

    state = {"status": "working", "sessionTitle": "Fix the login bug", "lastMessage": "Reading src/auth.py"}
    reported("3a5d1827", "start", None, "ses_login")
    sent("3a5d1827", await card(stage, **{"content-state": state}), "liveactivity")
    reported("b1bc3d00", "complete", "session.idle", "ses_docs")
    sent(
        "b1bc3d00",
        await send(stage, alert("Translate the docs", "All 14 pages are done; two links were dead.")),
        "alert",
    )
    reported("f3f9ac21", "permission", "permission.asked", "ses_login")
    ring = alert(
        "Action Needed: Fix the login bug", "bash: npm test", **{"interruption-level": "time-sensitive"}
    )
    sent("f3f9ac21", await send(stage, ring, pause=0.009), "alert")
    [activity] = stage.phone.activities.active
    now = int(stage.lab.clock.now())
    update = {
        "timestamp": now,
        "event": "update",
        "content-state": state | {"status": "permission", "lastMessage": "bash: npm test"},
    }
    sent(
        "f3f9ac21",
        await send(stage, {"aps": update}, kind="activity", topic=ACTIVITY_TOPIC, token=activity.token),
        "liveactivity",
    )
    await stage.lab.advance(20)
    size = {"width": 1440, "height": 860}
    base = stage.control.page_url.removesuffix("/")
    options: Json = {
        "viewport": size,
        "color_scheme": "dark",
        "device_scale_factor": 1.5,
        "timezone_id": "UTC",
        "reduced_motion": "reduce",
    }
    async with opened(chromium, base, **options) as page:
        await page.locator("#chain .thread button").first.click()
        await expect(page.locator(".detail")).to_be_visible()
        await keep(page, "page-chain.webp")
