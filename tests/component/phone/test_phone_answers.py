"""The person presses a button of a notification: what the app posts, and when it cannot."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phone_pushes import Delivered
from simulator.phone.notifications import Notification

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "docs" / "encryption-vectors.json").read_text(encoding="utf-8")
)
PROOF = VECTORS["proofs"][0]
REQUEST_ID, NONCE, _, DECISION, EXPIRES_AT = PROOF["parts"]
REQUEST = {
    "id": REQUEST_ID,
    "kind": "permission",
    "nonce": NONCE,
    "expiresAt": int(EXPIRES_AT),
    "choices": [{"value": "once", "label": "Allow"}, {"value": "reject", "label": "Deny"}],
}


def asks(push: Delivered, request: Any) -> Delivered:
    return replace(push, payload=push.payload | {"request": request})


def shown(phone, push: Delivered) -> Notification:
    phone.receive(push)
    return phone.notifications[0]


async def test_the_answer_goes_to_the_relay_of_the_pairing(phone, relay, link, alert, journal) -> None:
    phone.app.scan(link)
    reply = await phone.answer(shown(phone, asks(alert("permission"), REQUEST)), "once")
    assert reply.status == 200
    assert relay.calls == [
        (
            "/v1/answer",
            {
                "secret": "s3cret-s3cret-s3cret-24",
                "requestID": REQUEST_ID,
                "nonce": NONCE,
                "decision": "once",
                "deviceToken": phone.app.token,
            },
        )
    ]
    (entry,) = journal.entries("phone", "answered")
    assert (entry.detail["requestID"], entry.detail["decision"], entry.detail["status"]) == (
        REQUEST_ID,
        "once",
        200,
    )


async def test_with_the_key_it_proves_that_a_paired_phone_says_so(phone, relay, link, alert) -> None:
    phone.app.scan(json.dumps(json.loads(link) | {"key": VECTORS["key"]}))
    request = REQUEST | {"kid": VECTORS["kid"]}
    await phone.answer(shown(phone, asks(alert("permission"), request)), DECISION)
    assert relay.calls[-1][1]["proof"] == PROOF["proof"]


@pytest.mark.parametrize(
    ("request_", "decision", "why"),
    [
        (REQUEST, "always", "cannot say 'always'"),
        (None, "once", "cannot say 'once'"),
        (REQUEST | {"kid": "AAAAAAAAAAA"}, "once", "has not the key"),
    ],
    ids=["no such choice", "no request", "without the key"],
)
async def test_what_the_app_cannot_say(
    phone, relay, link, alert, request_: Any, decision: str, why: str
) -> None:
    phone.app.scan(link)
    with pytest.raises(ValueError, match=why):
        await phone.answer(shown(phone, asks(alert("permission"), request_)), decision)
    assert relay.calls == []


async def test_an_app_that_is_not_paired_says_nothing(phone, relay, alert) -> None:
    with pytest.raises(ValueError, match="cannot say"):
        await phone.answer(shown(phone, asks(alert("permission"), REQUEST)), "once")


async def test_a_locked_phone_wants_to_see_its_person(phone, relay, link, alert, journal) -> None:
    phone.app.scan(link)
    notification = shown(phone, asks(alert("permission"), REQUEST))
    phone.set("locked", True)
    assert await phone.answer(notification, "once") is None
    assert journal.entries("phone", "not answered")[0].detail["why"] == "the phone is locked"
    assert relay.calls == []
    assert (await phone.answer(notification, "once", authenticated=True)).status == 200
