"""A relay with /admin on a real port, an APNs sandbox behind it, and days of traffic in its log; time stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest_asyncio
from hypercorn.asyncio import serve
from hypercorn.config import Config
from playwright.async_api import Browser
from tortoise.connection import get_connection

from browser import browser
from relay.contract import secret_hash
from relay.server.metrics import HOUR_MS
from relay.server.store import hours, secrets
from relay.server.store.sql import Database
from relay_case import RelayCase, relay_case
from simulator.apns.faults import AnswerWith, Fault
from simulator.loopback import free_port
from waiting import eventually

ADMIN = "an-admin-token-of-the-tests-of-admin"
OTHER_SECRET = "another-secret-with-a-name-of-its-own"
NAME = "alice"


class Site(NamedTuple):
    """The relay at its address."""

    case: RelayCase
    url: str


@asynccontextmanager
async def running_site(**variables: str) -> AsyncIterator[Site]:
    async with relay_case(RELAY_ADMIN_TOKEN=ADMIN, **variables) as case:
        config, stop = Config(), asyncio.Event()
        config.bind = [f"127.0.0.1:{free_port()}"]
        served = asyncio.create_task(serve(case._app, config, shutdown_trigger=stop.wait))
        site = Site(case, f"http://{config.bind[0]}")
        await eventually(lambda: listens(config.bind[0]))
        yield site
        stop.set()
        await served


async def listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


class Phones(NamedTuple):
    """Ends of tokens: of a phone that rings, of one that is gone, and of one of the secret that has a name."""

    sent: str
    gone: str
    named: str


async def traffic(case: RelayCase) -> Phones:
    """What was sent, refused, tried again and waits, of two secrets; and a day of counts."""
    db = Database(get_connection("default"))
    now_ms = int(case.clock.now() * 1000)
    await secrets.add(db, secret_hash(OTHER_SECRET), name=NAME, now_ms=now_ms)
    await hours.save(db, _day(now_ms), run="earlier")
    sent, named = await case.phone(pushToStartToken=case.token(kind="push-to-start")), case.token()
    await case.post("device/register", secret=OTHER_SECRET, deviceToken=named, apnsEnv="sandbox")
    gone = await case.phone()
    case.sandbox.registry.unregister(gone, case.clock.now() + 1)
    await case.turn(2)
    await case.event("complete", eventID="evt_gone", sessionID="ses_login")
    case.sandbox.faults.add(Fault(AnswerWith("ServiceUnavailable"), push_type="alert", times=1))
    await case.event("permission", eventID="evt_retried", sessionID="ses_release")
    await case.event("error", eventID="evt_named", sessionID="ses_release", secret=OTHER_SECRET)
    await case.turn(1400)  # Apple: 15 minutes; and half of it at most
    case.sandbox.faults.add(Fault(AnswerWith("InternalServerError"), times=1))
    await case.event("error", eventID="evt_waits", sessionID="ses_release", secret=OTHER_SECRET)
    await case.turn(65)
    return Phones(sent[-8:], gone[-8:], named[-8:])


def _day(now_ms: int) -> dict[tuple[int, str, str, str], int]:
    """Counts of every hour before this one: busy at noon, a few refusals, and an hour in which APNs was not well."""
    counts: dict[tuple[int, str, str, str], int] = {}
    for ago in range(1, 24):
        at = (now_ms // HOUR_MS - ago) * HOUR_MS
        counts[at, "alert", "sent", "none"] = 40 + 30 * (12 - abs(12 - ago))
        counts[at, "liveactivity", "sent", "none"] = 60 + 25 * (12 - abs(12 - ago))
        if ago % 5 == 0:
            counts[at, "alert", "failed", "Unregistered"] = ago % 3 + 1
        if ago == 7:
            counts[at, "alert", "queued", "ServiceUnavailable"] = 180
            counts[at, "alert", "failed", "not_sent"] = 9
    return counts


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with browser() as found:
        yield found
