"""Sealed texts on the phone: read by the app's extensions with the key, and by nobody without it. The envelopes are the published ones."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phone_pushes import Delivered
from simulator.phone.app.encryption import ALTERED, LOCKED, NO_KEY, KeyRing, Unreadable
from simulator.phone.app.pairing import PairingError

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "docs" / "encryption-vectors.json").read_text(encoding="utf-8")
)
ALERTS = [one for one in VECTORS["envelopes"] if one["purpose"] == "alert/1" and one["plain"]]
REFUSED = [one for one in VECTORS["refused"] if one["purpose"] == "alert/1"]
CARD = next(one for one in VECTORS["envelopes"] if one["purpose"] == "card/1")
KEY = VECTORS["key"]
FALLBACK = ("Action needed", "OpenCode needs your permission decision.")


def with_key(link: str, key: str | None = KEY) -> str:
    return json.dumps(json.loads(link) | ({"key": key} if key else {}))


def sealed(push: Delivered, vector: dict[str, Any]) -> Delivered:
    event_type, session_id = vector["context"]
    fields = push.payload["body"] | {"eventType": event_type, "sessionID": session_id}
    aps = {"alert": dict(zip(("title", "body"), FALLBACK, strict=True)), "mutable-content": 1}
    return replace(push, payload={"aps": aps, **fields, "body": fields, "enc": vector["envelope"]})


@pytest.mark.parametrize("vector", ALERTS, ids=lambda vector: vector["context"][0])
def test_with_the_key_the_phone_shows_the_texts(phone, alert, link, vector: dict[str, Any]) -> None:
    phone.app.scan(with_key(link))
    phone.receive(sealed(alert(), vector))
    (shown,) = phone.showings
    assert {"title": shown["title"], "body": shown["body"]} == json.loads(vector["plain"])
    assert phone.nse_invocations == 1


@pytest.mark.parametrize(
    ("key", "unlocked", "why"),
    [(None, True, NO_KEY), ("A" * 43, True, NO_KEY), (KEY, False, LOCKED)],
    ids=["a pairing without key", "another key", "before the first unlock"],
)
def test_without_the_key_it_shows_what_kind_of_event_it_is(
    phone, alert, link, journal, key: str | None, unlocked: bool, why: str
) -> None:
    phone.app.scan(with_key(link, key))
    phone.set("first_unlock", unlocked)
    phone.receive(sealed(alert(), ALERTS[0]))
    (shown,) = phone.showings
    assert (shown["title"], shown["body"]) == FALLBACK
    (entry,) = journal.entries("phone", "sealed")
    assert entry.detail["why"] == why


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["why"])
def test_what_was_altered_is_not_shown(link, vector: dict[str, Any]) -> None:
    ring = KeyRing(lambda: True)
    ring.keep("server", KEY)
    payload = dict(zip(("eventType", "sessionID"), vector["context"], strict=True)) | {
        "enc": vector["envelope"]
    }
    with pytest.raises(Unreadable, match=f"{ALTERED}|{NO_KEY}"):
        ring.alert(payload)


@pytest.mark.parametrize(
    "enc", [1, "x", [], {}, {"v": 1, "kid": VECTORS["kid"]}, {"v": 1, "kid": VECTORS["kid"], "n": 1, "ct": 2}]
)
def test_what_is_no_envelope_is_not_shown(enc: Any) -> None:
    ring = KeyRing(lambda: True)
    ring.keep("server", KEY)
    with pytest.raises(Unreadable):
        ring.alert({"enc": enc})


def test_an_alert_in_clear_is_left_as_it_is(phone, alert, link) -> None:
    phone.app.scan(with_key(link))
    push = alert()
    push.payload["aps"]["mutable-content"] = 1
    phone.receive(push)
    assert phone.showings[0]["title"] == "Fix it"


def test_a_card_shows_the_texts_to_whoever_has_the_key() -> None:
    clear = {
        "status": "working",
        "sessionTitle": "OpenCode session",
        "lastMessage": "Working...",
        "retryInfo": None,
    }
    ring = KeyRing(lambda: True)
    props = clear | {"enc": CARD["envelope"]}
    assert ring.card(clear, "ses_1") == ring.card(props, "ses_1") == clear
    ring.keep("server", KEY)
    assert ring.card(props, "ses_1") == clear | json.loads(CARD["plain"])
    assert ring.card(props, "ses_2") == clear
    assert ring.card(props, None) == clear


async def test_the_app_says_which_key_it_has_and_a_new_pairing_replaces_it(phone, relay, link) -> None:
    for key, kid in ((KEY, VECTORS["kid"]), ("A" * 43, "Zmh6rfhivXc"), (None, None)):
        phone.app.scan(with_key(link, key))
        await phone.app.register()
        assert relay.calls[-1][1].get("kid") == kid


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 42 + "=", 1, []])
def test_a_pairing_with_something_else_for_a_key_is_refused(phone, link, key: Any) -> None:
    with pytest.raises(PairingError, match="43 characters of base64url"):
        phone.app.scan(json.dumps(json.loads(link) | {"key": key}))
