"""What the bridge says of its relay while it runs: each change once."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.bridge import relay_watch
from relay.bridge.notify.sealing import Sealing
from relay.bridge.relay_secret import Phones, read_phones
from relay.bridge.relay_watch import PAIRING_SECONDS, RelayWatch
from relay.encryption import PairingKey

AWAY, OLD = Phones(None, "nobody listens there", is_up=False), Phones(None, "it counts no phones")
UNKNOWN = Phones(None, "it is none of its operator's", refused="secret_unknown")


async def watched(
    answers: list[Phones],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    phones: bool = True,
    key: PairingKey | None = None,
) -> tuple[list[str], list[float]]:
    """What is logged, and the pauses between two questions, until the answers are used up."""
    left, pauses, now = iter(answers), [], [0.0]

    async def count(*_: Any) -> Phones:
        try:
            return next(left)
        except StopIteration:
            raise asyncio.CancelledError from None

    async def nothing(*_: Any) -> None:
        pass

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += PAIRING_SECONDS / 2

    monkeypatch.setattr(relay_watch, "count_phones", count)
    monkeypatch.setattr(relay_watch, "forget_replaced", nothing)
    caplog.clear()
    caplog.set_level(logging.INFO, "relay.bridge.relay")
    async with aiohttp.ClientSession() as http:
        watch = RelayWatch(
            http,
            "http://relay",
            "secret",
            Path("secret"),
            sealing=Sealing("auto" if key else "off", key),
            watch_phones=phones,
            sleep=sleep,
            clock=lambda: now[0],
        )
        with contextlib.suppress(asyncio.CancelledError):
            await watch.run()
    return [record.getMessage() for record in caplog.records], pauses


async def test_a_relay_that_is_away_is_named_once_and_its_return_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, pauses = await watched([AWAY, AWAY, Phones(0), Phones(0)], caplog, monkeypatch)
    assert said == [
        'relay away url=http://relay reason="nobody listens there"',
        "relay back url=http://relay",
        "phones count=0",
    ]
    assert pauses[1] > pauses[0]


async def test_phones_that_come_and_go_are_said_and_asked_for_ever_more_seldom(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, pauses = await watched([Phones(1), Phones(2), Phones(2), Phones(1)], caplog, monkeypatch)
    assert said == ["phones count=1", "paired count=2", "unpaired count=1"]
    assert pauses == [3, 3, 60, 60]


async def test_a_relay_that_was_asked_too_often_is_asked_again_later(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = read_phones(429, b"")
    for phones in (True, False):
        said, pauses = await watched([limited, limited, Phones(1)], caplog, monkeypatch, phones=phones)
        assert said == ["phones count=1"]
        assert pauses[:2] == [60, 60]


async def test_a_secret_that_is_not_taken_is_said_once_and_when_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, pauses = await watched(
        [UNKNOWN, UNKNOWN, AWAY, UNKNOWN, Phones(0)], caplog, monkeypatch, phones=False
    )
    assert [text.partition(" url=")[0] for text in said] == [
        "secret refused",
        "relay away",
        "relay back",
        "secret taken",
        "phones count=0",
    ]
    assert "relay secret add NAME" in said[0]
    assert pauses.count(60) == 3


async def test_an_older_relay_and_nobody_who_looks_on_end_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await watched([OLD, AWAY], caplog, monkeypatch) == ([], [])
    assert await watched([Phones(1), AWAY], caplog, monkeypatch, phones=False) == (["phones count=1"], [])


async def test_texts_are_sealed_as_soon_as_every_phone_has_the_key_also_where_nobody_looks_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Phones(1, with_key=0), Phones(1, with_key=1), AWAY, Phones(2, with_key=1)]
    said, pauses = await watched(answers, caplog, monkeypatch, phones=False, key=PairingKey.new())
    assert [words for words in said if words.startswith("texts")] == [
        "texts sealed count=1 withKey=1",
        "texts in clear count=2 withKey=1",
    ]
    assert len(pauses) == 4
