"""Every token_state of the case format: what is registered, started, removed or expired when the case begins."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from simulator.apns.registry import Realm
from simulator.clock import VirtualClock
from simulator.conform.bench import T0, Bench, MakeClock
from simulator.conform.cases import Case, CaseError
from simulator.conform.provider_tokens import APP, OTHER_APP

UPDATE_TOKEN = re.compile(r"[0-9a-f]{160}")
STATE = {"name": "Run", "props": '{"phase":"start"}'}
FINAL = {"name": "Run", "props": '{"phase":"final"}'}


class TokenState(NamedTuple):
    """How the world is arranged before T0; `realm` and `bundle_id` are those of the phone's tokens."""

    arrange: Callable[[Bench], Awaitable[None]]
    realm: Realm = "sandbox"
    bundle_id: str = APP


async def _nothing(bench: Bench) -> None:
    bench.names.words["PTS_TOKEN"] = bench.unknown_token(80)


async def _registered(bench: Bench) -> None:
    """At T0 - 1 day the phone registered its tokens."""
    token = bench.phone.device.token(bench.realm)
    bench.names.words |= {"ALERT_TOKEN": token, "ALERT_TOKEN_UPPER": token.upper()}
    bench.names.words["VOIP_TOKEN"] = bench.phone.device.voip_token


async def _unregistered(bench: Bench) -> None:
    await _registered(bench)
    bench.unregister(T0 - 3600)


async def _uninstalled_recently(bench: Bench) -> None:
    await _registered(bench)
    await bench.advance_to(T0 - 300)
    bench.set_device("app_installed", False)


async def _push_to_start(bench: Bench) -> None:
    bench.names.words["PTS_TOKEN"] = bench.phone.device.push_to_start_token or ""


async def _activity(bench: Bench, started_at: int = T0 - 600, channel: str | None = None) -> None:
    """The app started an activity; its update token is registered."""
    await _push_to_start(bench)
    await bench.advance_to(started_at)
    for phone in bench.phones:
        _start(phone, started_at, channel)
    bench.lab.run_due()
    _name_token(bench)


def _start(phone: Any, started_at: int, channel: str | None) -> None:
    before = phone.device.app
    phone.device.app = "foreground"
    phone.activities.start("LiveActivityAttributes", {}, dict(STATE), timestamp=started_at, channel=channel)
    phone.device.app = before


def _name_token(bench: Bench) -> None:
    activity = bench.phone.activities.newest
    token = activity.token if activity else None
    if token:
        bench.names.words["LA_TOKEN"] = token
    if token and UPDATE_TOKEN.fullmatch(token):
        # A case that asks for it fails otherwise: there is no such name.
        bench.names.words["LA_TOKEN_160HEX"] = token


async def _expired(bench: Bench) -> None:
    await _activity(bench, T0 - 4200)
    await bench.advance_to(T0 - 3600)
    activity = bench.phone.activities.newest
    assert activity is not None
    bench.phone.activities.end(activity, dict(FINAL), dismissal_date=T0 - 3601)


async def _rotated(bench: Bench) -> None:
    await _activity(bench)
    await bench.advance_to(T0 - 10)
    bench.names.words["LA_TOKEN_OLD"] = bench.names.words["LA_TOKEN"]
    activity = bench.phone.activities.newest
    assert activity is not None
    bench.phone.activities.rotate(activity)
    _name_token(bench)


def _channel(policy: int) -> Callable[[Bench], Awaitable[None]]:
    async def arrange(bench: Bench) -> None:
        bench.names.words["CHANNEL_ID"] = bench.new_channel(policy)
        bench.add_phone("D2")
        await _activity(bench, channel=bench.names.words["CHANNEL_ID"])

    return arrange


async def _channel_deleted(bench: Bench) -> None:
    bench.names.words["CHANNEL_ID"] = bench.new_channel(1)
    bench.delete_channel(bench.names.words["CHANNEL_ID"])


STATES: dict[str, TokenState] = {
    "n/a": TokenState(_nothing),
    "malformed": TokenState(_nothing),
    "unknown": TokenState(_nothing),
    "active_sandbox": TokenState(_registered),
    "active_production": TokenState(_registered, realm="production"),
    "active_other_topic": TokenState(_registered, bundle_id=OTHER_APP),
    "unregistered": TokenState(_unregistered),
    "uninstalled_recently": TokenState(_uninstalled_recently),
    "pts_active": TokenState(_push_to_start),
    "la_active": TokenState(_activity),
    "la_expired": TokenState(_expired),
    "la_rotated": TokenState(_rotated),
    "channel_policy_0": TokenState(_channel(0)),
    "channel_policy_1": TokenState(_channel(1)),
    "channel_deleted": TokenState(_channel_deleted),
}


@asynccontextmanager
async def arranged(case: Case, clock: MakeClock = VirtualClock) -> AsyncIterator[Bench]:
    """The case's world at T0, as its token_state wants it. Raises CaseError for one that nobody knows."""
    if case.token_state not in STATES:
        raise CaseError(f"unknown token_state {case.token_state!r}")
    state = STATES[case.token_state]
    async with Bench(case, state.realm, state.bundle_id, clock) as bench:
        await state.arrange(bench)
        await bench.begin()
        yield bench
