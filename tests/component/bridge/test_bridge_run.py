"""The whole bridge between a real small OpenCode and a real small relay."""

import logging
import time
from typing import Any

import pytest
from aiohttp import web

from component.bridge.running import SECRET, Stage
from relay import contract
from waiting import eventually


async def test_a_turn_rings_once_with_title_and_text(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay.bridge")
    stage.opencode.create("ses_a", "Fix the parser")
    async with stage.running():
        stage.opencode.write("ses_a", "please fix", "user")
        stage.opencode.status("ses_a", "busy")
        stage.opencode.write("ses_a", "It is fixed.")
        stage.opencode.status("ses_a", "idle")
        stage.opencode.say("session.idle", sessionID="ses_a")
        await eventually(lambda: stage.relay.accepted)
    (event,) = stage.relay.accepted
    assert (event.eventType, event.sessionID) == ("complete", "ses_a")
    assert (event.title, event.body) == ("Fix the parser", "It is fixed.")
    assert event.rest == {"secret": SECRET, "serverID": contract.server_id(stage.relay.url, SECRET)}
    names = f"eventID={event.eventID} eventType=complete sessionID=ses_a"
    for line in (
        f"connected url={stage.opencode.url} version=1.18.33",
        f"delivered {names} sent=1 failed=0 queued=0",
        f"stopped url={stage.opencode.url}",
    ):
        assert line in caplog.text
    assert SECRET not in caplog.text


async def test_the_pairing_link_comes_out_first_and_can_be_read_back(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage.running(advertise_hosts=("laptop.local",)) as bridge:
        text = bridge.out.getvalue()
    (link,) = [line for line in text.splitlines() if line.startswith("mobilevoice:///?pair=")]
    pair = contract.parse_pairing_link(link)
    assert (pair.relay_url, pair.relay_secret) == (stage.relay.url, SECRET)
    assert pair.server_id == contract.server_id(stage.relay.url, SECRET)
    assert pair.hosts == [f"http://laptop.local:{stage.opencode.port}", stage.opencode.url]
    assert "only this machine can reach OpenCode" not in caplog.text


async def test_loopback_addresses_that_no_phone_reaches_are_named_as_such(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage.running():
        assert "only this machine can reach OpenCode" in caplog.text
        assert "only this machine can reach the relay" in caplog.text
    caplog.clear()
    async with stage.running(relay_url="https://relay.example"):
        assert "only this machine can reach the relay" not in caplog.text


async def test_unknown_sessions_are_asked_for_up_to_their_root(stage: Stage) -> None:
    stage.opencode.create("ses_a", "Root")
    stage.opencode.create("ses_b", "Child", "ses_a")
    async with stage.running():
        stage.opencode.turn("ses_b")
        stage.opencode.say("question.asked", id="que_1", sessionID="ses_b", questions=[])
        stage.opencode.turn("ses_a")
        await eventually(lambda: len(stage.relay.accepted) == 2)
    assert stage.relay.rang() == [("permission", "ses_a"), ("complete", "ses_a")]
    assert stage.relay.accepted[0].title == "Action Needed: Root"
    asked = [path for path in stage.opencode.asked if path in ("/session/ses_a", "/session/ses_b")]
    assert asked == ["/session/ses_b", "/session/ses_a"]


async def test_a_session_nobody_knows_still_rings(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    stage.opencode.broken["message"] = fail
    async with stage.running():
        stage.opencode.turn("ses_lost")
        await eventually(lambda: stage.relay.accepted)
    assert stage.relay.accepted[0].title == "Session complete"
    assert stage.relay.accepted[0].body == "Done"
    assert "unknown session sessionID=ses_lost" in caplog.text
    assert "no text sessionID=ses_lost" in caplog.text


async def test_a_slow_relay_does_not_stop_the_reading(stage: Stage) -> None:
    stage.relay.gate.clear()
    names = [f"ses_{number}" for number in range(40)]
    async with stage.running():
        for name in names:
            stage.opencode.say("session.created", info={"id": name, "title": name})
            stage.opencode.turn(name)
        part = {"type": "text", "text": "x" * 1_000_000}
        stage.opencode.say("message.part.updated", sessionID="ses_0", part=part)
        stage.opencode.create("ses_last")
        stage.opencode.status("ses_last", "busy")
        await eventually(lambda: "/session/ses_last" in stage.opencode.asked)
        assert stage.relay.accepted == []
        stage.relay.gate.set()
        await eventually(lambda: len(stage.relay.accepted) == 40)
    assert sorted(event.sessionID for event in stage.relay.accepted) == sorted(names)


async def test_a_run_shows_on_the_card_from_beginning_to_end(stage: Stage) -> None:
    stage.opencode.create("ses_a", "Fix the parser")
    async with stage.running(alerts=frozenset({"error"})):
        for number, step in enumerate(
            (
                lambda: stage.opencode.status("ses_a", "busy"),
                lambda: stage.opencode.status(
                    "ses_a", "retry", attempt=2, message="Overloaded", next=(time.time() + 7.9) * 1000
                ),
                lambda: stage.opencode.status("ses_a", "busy"),
                lambda: stage.opencode.ask("ses_a", "per_1", "rm -r build"),
                lambda: stage.opencode.say(
                    "permission.replied", requestID="per_1", sessionID="ses_a", reply="once"
                ),
                lambda: (
                    stage.opencode.write("ses_a", "It is fixed."),
                    stage.opencode.status("ses_a", "idle"),
                ),
            ),
            1,
        ):
            step()
            await eventually(lambda: len(stage.relay.cards) == number)  # noqa: B023  waited for within the round
    assert stage.relay.accepted == []  # none of these was chosen to ring
    assert stage.relay.shown("ses_a") == [
        ("start", "working", "Starting..."),
        ("progress", "retry", "Overloaded"),
        ("progress", "working", "Starting..."),
        ("progress", "permission", "bash: rm -r build"),
        ("progress", "working", "Starting..."),
        ("progress", "complete", "It is fixed."),
    ]
    start, retry = stage.relay.cards[:2]
    assert (start.title, start.body) == (
        "Session Started",
        "OpenCode is working on: Fix the parser (/code/demo)",
    )
    assert (start.state["sessionTitle"], retry.state["retryInfo"]) == ("Fix the parser", "Retry 2 in 8s")


CANARY = "canary-0123456789"


async def test_no_secret_and_no_providers_answer_is_forwarded(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    message = f'Bad key sk-{CANARY} at https://{CANARY}.example/v1: {{"prompt":"{CANARY}"}}'
    failure: dict[str, Any] = {
        "name": "APIError",
        "data": {
            "message": message,
            "responseHeaders": {"x-request-id": CANARY},
            "responseBody": CANARY,
            "metadata": {"url": f"https://{CANARY}.example"},
        },
    }
    part = {"type": "tool", "tool": "bash", "state": {"input": {"command": f"TOKEN={CANARY} make"}}}
    for session in ("ses_a", "ses_b"):
        stage.opencode.create(session, "Fix it")
    async with stage.running():
        for session in ("ses_a", "ses_b"):
            stage.opencode.status(session, "busy")
        await eventually(lambda: len(stage.relay.cards) == 2)
        stage.opencode.status("ses_a", "retry", attempt=1, message=message)
        stage.opencode.say("message.part.updated", sessionID="ses_b", part=part)
        await eventually(lambda: len(stage.relay.cards) == 3)
        stage.opencode.say("session.error", sessionID="ses_a", error=failure)
        stage.opencode.ask(
            "ses_b", "per_1", f"curl -H 'Authorization: Bearer {CANARY}' https://me:{CANARY}@host"
        )
        await eventually(lambda: len(stage.relay.accepted) == 2)
        stage.opencode.say("permission.replied", requestID="per_1", sessionID="ses_b", reply="once")
        await eventually(lambda: len(stage.relay.cards) == 4)
    sent = [repr(event) + repr(event.rest) for event in stage.relay.accepted + stage.relay.cards]
    assert len(sent) == 6
    assert not [one for one in sent if CANARY in one]
    assert CANARY not in caplog.text
    (error,) = [event for event in stage.relay.accepted if event.eventType == "error"]
    assert error.body == "Bad key *** at [address]"


@pytest.mark.parametrize("delay", [0.02, 60.0])
async def test_one_that_nobody_answers_rings_after_the_delay_or_when_the_bridge_stops(
    stage: Stage, delay: float
) -> None:
    stage.opencode.create("ses_a")
    stage.opencode.create("ses_last")
    async with stage.running(permission_delay=delay):
        stage.opencode.say("permission.asked", id="per_1", sessionID="ses_a")
        stage.opencode.status("ses_last", "busy")
        await eventually(lambda: "/session/ses_last" in stage.opencode.asked)
        await eventually(lambda: delay > 1 or stage.relay.accepted)
    assert stage.relay.rang() == [("permission", "ses_a")]
