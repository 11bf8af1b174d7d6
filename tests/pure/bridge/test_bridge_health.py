"""What GET /health of the bridge says, and what becomes of a test push."""

import pytest

from relay import contract
from relay.bridge.http.replies import bridge_health, push_test_event, push_test_reply
from relay.bridge.notify.mapping import Sender
from relay.bridge.notify.relay_client import PostResult
from relay.bridge.notify.source import SourceHealth

CONNECTED = SourceHealth(connected=True, version="1.18.33", last_event_at=12.3456)
SENDER = Sender("s3cret-s3cret-s3cret", "0123456789abcdef")


def test_times_are_milliseconds_and_the_relays_last_word_is_repeated() -> None:
    said = contract.encode(bridge_health(CONNECTED, 3, PostResult("retry", "status 503", at=11.5)))
    assert said == (
        b'{"ok":true,"stream":"connected","version":"1.18.33","lastEventAt":12345,"outbox":3,'
        b'"relay":{"verdict":"retry","at":11500,"reason":"status 503"}}'
    )


def test_what_has_not_happened_yet_is_null() -> None:
    said = bridge_health(SourceHealth(), 0, None)
    assert (said.ok, said.stream, said.version, said.last_event_at, said.relay) == (
        False, "waiting", None, None, None,
    )  # fmt: skip


def test_a_test_push_is_an_event_that_every_relay_takes() -> None:
    event = push_test_event(SENDER, 1_700_000_000_000)
    assert contract.decode(contract.encode(event), contract.Event) == event
    assert (event.event_type, event.session_id) == ("permission", "test-1700000000000")
    assert event.event_id != push_test_event(SENDER, 1_700_000_000_001, session_id=event.session_id).event_id


@pytest.mark.parametrize(
    ("answer", "status", "ok"),
    [
        (PostResult("delivered", counts={"sent": 1, "failed": 0, "queued": None}), 200, True),
        (PostResult("refused", "status 400"), 502, False),
        (PostResult("retry", "no answer within 15 s"), 502, False),
    ],
)
def test_only_what_the_relay_took_is_ok(answer: PostResult, status: int, ok: bool) -> None:
    reply, said = push_test_reply(answer)
    assert (said, reply.ok) == (status, ok)
