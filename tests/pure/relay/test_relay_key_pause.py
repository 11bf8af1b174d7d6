"""While APNs refuses the relay's key nothing is sent but one probe after each pause, and the pauses grow."""

import asyncio
import logging
from dataclasses import replace

import pytest

from fake_gateway import FakeGateway
from outcomes import ALERT, answered, maybe_sent, not_sent
from relay.apns.gateway import LONGEST_PAUSE, MOST_PAUSES, KeyPause
from relay.apns.push import Outcome
from relay.apns.reasons import REASONS, Verdict
from waiting import eventually

SENT, REFUSED = answered(200), answered(403, "InvalidProviderToken")


class Scene:
    """A pause around a gateway whose answers the test chooses, on a clock that the test turns (seconds)."""

    def __init__(self, *answers: Outcome) -> None:
        self.now = 1000.0
        self.gateway = FakeGateway()
        self.gateway.answers.extend(answers)
        self.pause = KeyPause(self.gateway, lambda: self.now)

    async def send(self, **changes: object) -> Outcome:
        return await self.pause.send(replace(ALERT, **changes))  # type: ignore[arg-type]

    @property
    def asked(self) -> int:
        return len(self.gateway.sent)


# Answers after which pushes go on as they are.
NO_PAUSE: dict[str, Outcome] = {
    "sent": SENT,
    "token dead": answered(410, "Unregistered", 1),
    "server error": answered(503, "ServiceUnavailable"),
    "our fault": answered(400, "BadTopic"),
    "not sent": not_sent("connection refused"),
    "maybe sent": maybe_sent("connection lost"),
}


@pytest.mark.parametrize("name", NO_PAUSE)
async def test_other_answers_pass_through(name: str) -> None:
    scene = Scene(NO_PAUSE[name], SENT)
    assert await scene.send() == NO_PAUSE[name]
    assert await scene.send() == SENT


REFUSALS = {
    reason: row.retry_after
    for reason, row in REASONS.items()
    if row.verdict in (Verdict.KEY_REFUSED, Verdict.NEW_PROVIDER_TOKEN)
}


@pytest.mark.parametrize("reason", REFUSALS)
async def test_a_refusal_of_the_key_holds_back_what_follows(reason: str) -> None:
    seconds = REFUSALS[reason]
    assert seconds is not None
    refused = answered(403, reason)
    scene = Scene(refused, SENT)
    assert await scene.send() == refused
    scene.now += 10
    assert await scene.send() == not_sent(f"paused, APNs refuses the key: {reason}", seconds - 10)
    scene.now += seconds - 10.5
    assert await scene.send() == not_sent(f"paused, APNs refuses the key: {reason}", 1.0)  # at least a second
    assert scene.asked == 1
    scene.now += 0.5
    assert await scene.send() == SENT
    assert await scene.send() == SENT


async def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    scene = Scene(*[REFUSED] * 8)
    pauses = []
    for _ in range(8):
        assert await scene.send() == REFUSED
        held = await scene.send()
        assert held.transmission == "not_sent"
        assert held.retry_after is not None
        pauses.append(held.retry_after)
        scene.now += held.retry_after
    assert pauses == [60, 120, 240, 480, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


async def test_a_longer_pause_of_the_reasons_own_stays() -> None:
    """ExpiredProviderToken: APNs takes a new token at most every 20 minutes (Apple, documented)."""
    expired = answered(403, "ExpiredProviderToken")
    scene = Scene(expired, expired, SENT)
    for _ in range(2):
        await scene.send()
        assert await scene.send() == not_sent("paused, APNs refuses the key: ExpiredProviderToken", 1200.0)
        scene.now += 1200
    assert await scene.send() == SENT


async def test_what_is_paused_and_for_how_long_can_be_asked() -> None:
    scene = Scene(REFUSED, SENT)
    assert scene.pause.pauses == []
    await scene.send()
    (paused,) = scene.pause.pauses
    assert (paused.reason, paused.bundle_id, paused.seconds) == (
        "InvalidProviderToken",
        "com.example.app",
        60,
    )
    scene.now += 70
    assert [one.seconds for one in scene.pause.pauses] == [0]
    await scene.send()
    assert scene.pause.pauses == []


async def test_one_push_probes_while_the_others_wait() -> None:
    scene = Scene(REFUSED, SENT)
    await scene.send()
    scene.now += 60
    scene.gateway.gate.clear()
    probe = asyncio.create_task(scene.send())
    await eventually(lambda: scene.asked == 2)
    assert await scene.send() == not_sent("paused, APNs refuses the key: InvalidProviderToken", 1.0)
    scene.gateway.gate.set()
    assert await probe == SENT
    assert await scene.send() == SENT
    assert scene.asked == 3


@pytest.mark.parametrize("unanswered", [not_sent("refused"), maybe_sent("lost"), RuntimeError("broken")])
async def test_a_probe_that_was_not_answered_leaves_it_to_the_next(unanswered: Outcome | Exception) -> None:
    scene = Scene(REFUSED)
    scene.gateway.answers.extend([unanswered, SENT])
    await scene.send()
    scene.now += 60
    (found,) = await asyncio.gather(scene.send(), return_exceptions=True)
    assert found == unanswered
    assert await scene.send() == SENT


async def test_many_refused_at_once_are_one_pause_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(*[REFUSED] * 5)
    scene.gateway.gate.clear()
    pushes = [asyncio.create_task(scene.send()) for _ in range(5)]
    await eventually(lambda: scene.asked == 5)
    scene.gateway.gate.set()
    with caplog.at_level(logging.INFO, "relay.apns"):
        assert await asyncio.gather(*pushes) == [REFUSED] * 5
    assert await scene.send() == not_sent("paused, APNs refuses the key: InvalidProviderToken", 60.0)
    (record,) = caplog.records
    said = "sending paused apnsEnv=production reason=InvalidProviderToken seconds=60"
    assert record.getMessage().startswith(said)
    assert "APNS_KEY_ID" in record.getMessage()


async def test_its_end_is_logged_once_and_the_next_pause_is_short_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(REFUSED, REFUSED, SENT, SENT, REFUSED)
    with caplog.at_level(logging.INFO, "relay.apns"):
        for pause in (0, 60, 120, 0, 0):
            scene.now += pause
            await scene.send()
    said = [record.getMessage().split(" apnsEnv")[0] for record in caplog.records]
    assert said == ["sending paused", "sending paused", "sending again", "sending paused"]
    assert await scene.send() == not_sent("paused, APNs refuses the key: InvalidProviderToken", 60.0)


async def test_each_environment_pauses_for_itself() -> None:
    scene = Scene(REFUSED, SENT)
    await scene.send()
    assert (await scene.send(apns_env="sandbox")).verdict is Verdict.DELIVERED
    assert (await scene.send()).transmission == "not_sent"


# Whose pushes wait.

OF_EVERY_APP = {"ExpiredProviderToken", "MissingProviderToken", "BadCertificate", "BadCertificateEnvironment"}
FOREIGN = "com.example.foreign"


@pytest.mark.parametrize("reason", REFUSALS)
async def test_a_refusal_that_the_app_may_have_brought_about_holds_back_that_app_alone(reason: str) -> None:
    """A phone may have registered the bundle id of a team whose key the relay does not have."""
    scene = Scene(answered(403, reason))
    await scene.send(topic=FOREIGN)
    own = await scene.send()
    assert (own == SENT) == (reason not in OF_EVERY_APP)
    assert (await scene.send(topic=FOREIGN)).transmission == "not_sent"


async def test_a_pause_is_of_the_app_whatever_the_type_of_push() -> None:
    scene = Scene(REFUSED)
    await scene.send(topic=f"{FOREIGN}.push-type.liveactivity", push_type="liveactivity")
    for topic in (FOREIGN, f"{FOREIGN}.push-type.liveactivity"):
        assert (await scene.send(topic=topic)).transmission == "not_sent"
    for topic in (f"{FOREIGN}2", "com.example.app.push-type.liveactivity"):
        assert await scene.send(topic=topic) == SENT
    scene.now += 60
    assert await scene.send(topic=FOREIGN) == SENT
    assert await scene.send(topic=f"{FOREIGN}.push-type.liveactivity") == SENT


async def test_another_apps_success_ends_no_pause() -> None:
    scene = Scene(REFUSED)
    await scene.send(topic=FOREIGN)
    assert await scene.send() == SENT
    assert (await scene.send(topic=FOREIGN)).transmission == "not_sent"
    scene.gateway.answers = [REFUSED]
    scene.now += 60
    assert await scene.send(topic=FOREIGN) == REFUSED
    held = await scene.send(topic=FOREIGN)
    assert held.retry_after == 120


async def test_a_flood_of_foreign_apps_stops_nobody_and_is_one_line_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(*[REFUSED] * 5000)
    for number in range(5000):
        await scene.send(topic=f"com.foreign.app{number}")
    assert await scene.send() == SENT
    paused = [text for text in caplog.messages if text.startswith("sending paused")]
    assert len(paused) == 1
    assert len(scene.pause._pauses) <= MOST_PAUSES
