"""From 200 to the device: stored, sent or discarded, and the log that tells; over TLS and HTTP/2, on a virtual clock."""

from typing import Any

import pytest

from simulator.apns.profile import Rate

TOPIC = "com.example.app"
LIVE = f"{TOPIC}.push-type.liveactivity"
DAY = 86_400


class Device:
    """A device as APNs sees it; attributes may be changed at any time."""

    def __init__(self, bench: Any, name: str = "iPhone") -> None:
        self.bench = bench
        self.name = name
        self.online = True
        self.asleep = False
        self.refusal: str | None = None
        self.got: list[Any] = []
        self.known: list[list[str]] = []

    def refuses(self, delivery: Any) -> str | None:
        if self.refusal == "crash":
            raise RuntimeError("no answer")
        return self.refusal

    def receive(self, delivery: Any) -> None:
        self.got.append(delivery)
        self.known.append([entry.what for entry in self.bench.journal.entries("apns")])

    def texts(self) -> list[str]:
        return [each.payload["aps"]["alert"] for each in self.got]

    def reconnect(self) -> None:
        self.online = True
        self.bench.sandbox.reconnected(self)


@pytest.fixture
def device(bench) -> Device:
    device = Device(bench)
    bench.sandbox.registry.attach(bench.token, device)
    return device


def logged(bench: Any, answer: Any) -> Any:
    entry = bench.sandbox.delivery_log.find(answer.headers["apns-unique-id"])
    assert entry is not None
    return entry


def outcomes(entry: Any) -> list[str]:
    return [step.outcome if step.why is None else f"{step.outcome}: {step.why}" for step in entry.steps]


async def push(bench: Any, provider: Any, text: str = "hi", **changes: Any) -> Any:
    answer = await bench.ask(provider, b'{"aps":{"alert":"%s"}}' % text.encode(), **changes)
    assert answer.status == 200
    return answer


async def test_a_push_to_a_device_online_is_sent_at_once(bench, device) -> None:
    entry = logged(bench, await push(bench, await bench.connect()))
    assert outcomes(entry) == ["sent"]
    assert (entry.device, entry.token, entry.received_at) == ("iPhone", bench.token[-8:], bench.clock.now())
    assert device.texts() == ["hi"]


async def test_the_journal_knows_of_a_push_before_the_device_does(bench, device) -> None:
    await push(bench, await bench.connect())
    [known] = device.known
    assert known[-2:] == ["push", "delivery"]


async def test_the_journal_tells_each_step_without_a_whole_token(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect())
    device.reconnect()
    stored, sent = (entry.detail for entry in bench.journal.entries("apns", "delivery"))
    assert (stored["outcome"], sent["outcome"]) == ("stored", "sent")
    assert sent["apns_unique_id"] == answer.headers["apns-unique-id"]
    assert sent["apns_id"] == answer.headers["apns-id"]
    assert sent["device"] == "iPhone"
    assert bench.token not in str([stored, sent])


async def test_of_many_to_a_device_offline_the_newest_arrives(bench, device) -> None:
    device.online = False
    provider = await bench.connect()
    first = await push(bench, provider, "one", apns_collapse_id="a")
    second = await push(bench, provider, "two", apns_collapse_id="b")
    device.reconnect()
    assert device.texts() == ["two"]
    assert outcomes(logged(bench, first)) == ["stored", "discarded: replaced"]
    assert outcomes(logged(bench, second)) == ["stored", "sent"]
    device.reconnect()
    assert device.texts() == ["two"]


async def test_each_app_and_each_activity_has_a_place_of_its_own(bench, device) -> None:
    device.online = False
    registry = bench.sandbox.registry
    bench.sandbox.add_app("com.example.other")
    tokens = [
        registry.mint_token("com.example.other", "sandbox"),
        *(registry.mint_token(TOPIC, "sandbox", "activity") for _ in range(2)),
    ]
    for token in tokens:
        registry.attach(token, device)
    provider = await bench.connect()
    live = {"apns_topic": LIVE, "apns_push_type": "liveactivity"}
    await push(bench, provider, "1")
    await push(bench, provider, "2", path=f"/3/device/{tokens[1]}", **live)
    await push(bench, provider, "3", path=f"/3/device/{tokens[0]}", apns_topic="com.example.other")
    await push(bench, provider, "4", path=f"/3/device/{tokens[2]}", **live)
    await push(bench, provider, "5", path=f"/3/device/{tokens[1]}", **live)
    device.reconnect()
    assert device.texts() == ["1", "3", "4", "5"]


@pytest.mark.parametrize(
    ("expiration", "seconds", "arrives"),
    [
        (None, 30 * DAY - 1, True),
        (None, 30 * DAY, False),
        (60, 59, True),
        (60, 60, False),
        (400 * DAY, 30 * DAY - 1, True),
        (400 * DAY, 30 * DAY, False),
    ],
)
async def test_how_long_a_push_waits(
    bench, device, expiration: int | None, seconds: float, arrives: bool
) -> None:
    device.online = False
    until = None if expiration is None else str(int(bench.clock.now()) + expiration)
    answer = await push(bench, await bench.connect(), apns_expiration=until)
    await bench.clock.advance(seconds)
    device.reconnect()
    assert outcomes(logged(bench, answer)) == ["stored", "sent" if arrives else "discarded: expired"]
    assert len(device.got) == arrives


async def test_expiration_zero_is_one_attempt(bench, device) -> None:
    provider = await bench.connect()
    assert outcomes(logged(bench, await push(bench, provider, apns_expiration="0"))) == ["sent"]
    device.online = False
    assert outcomes(logged(bench, await push(bench, provider, apns_expiration="0"))) == ["discarded: expired"]
    device.reconnect()
    assert len(device.got) == 1


async def test_settle_throws_away_what_is_due_while_the_device_stays_away(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect(), apns_expiration=str(int(bench.clock.now()) + 60))
    bench.sandbox.discard_expired()
    assert outcomes(logged(bench, answer)) == ["stored"]
    await bench.clock.advance(60)
    bench.sandbox.discard_expired()
    assert outcomes(logged(bench, answer)) == ["stored", "discarded: expired"]
    assert logged(bench, answer).steps[-1].at == bench.clock.now()


async def test_what_the_device_does_not_take_is_discarded_and_still_answered_200(bench, device) -> None:
    device.refusal = "notifications_off"
    assert outcomes(logged(bench, await push(bench, await bench.connect()))) == [
        "discarded: notifications_off"
    ]
    assert device.got == []


async def test_what_was_switched_off_meanwhile_is_not_delivered(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect())
    device.refusal = "notifications_off"
    device.reconnect()
    assert outcomes(logged(bench, answer)) == ["stored", "discarded: notifications_off"]


async def test_a_device_that_goes_away_again_finds_the_rest_next_time(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect())
    bench.sandbox.reconnected(device)
    assert outcomes(logged(bench, answer)) == ["stored", "stored"]
    device.reconnect()
    assert device.texts() == ["hi"]


async def test_a_device_that_fails_is_no_fault_of_the_provider(bench, device) -> None:
    device.refusal = "crash"
    provider = await bench.connect()
    answer = await push(bench, provider)
    assert bench.sandbox.delivery_log.find(answer.headers["apns-unique-id"]) is None
    device.refusal, device.receive = None, lambda _: 1 / 0
    await push(bench, provider)
    failed = bench.journal.entries("apns", "delivery_failed")
    assert [entry.detail["error"][:12] for entry in failed] == ["RuntimeError", "ZeroDivision"]
    assert bench.token not in str(failed)


async def test_a_token_that_leads_nowhere_takes_everything(bench) -> None:
    bench.sandbox.registry.attach(bench.token, None)
    assert outcomes(logged(bench, await push(bench, await bench.connect()))) == ["sent"]


async def test_production_has_a_log_too_though_no_unique_id_goes_out(bench) -> None:
    token = bench.sandbox.registry.mint_token(TOPIC, "production")
    answer = await push(bench, await bench.connect("production"), path=f"/3/device/{token}")
    assert "apns-unique-id" not in answer.headers
    entry = bench.sandbox.delivery_log.by_apns_id(answer.headers["apns-id"])
    assert (entry.outcome, entry.realm, entry.token) == ("sent", "production", token[-8:])
    assert bench.sandbox.delivery_log.find(entry.unique_id) is entry


async def test_a_refused_push_leaves_no_trace_in_the_log(bench) -> None:
    answer = await bench.ask(await bench.connect(), apns_priority="7")
    assert answer.status == 400
    assert len(bench.sandbox.delivery_log) == 0


# --- the app is removed -------------------------------------------------------------------------------------------


async def test_a_removed_app_is_reported_hours_later(bench, device) -> None:
    provider = await bench.connect()
    bench.sandbox.uninstall(bench.token)
    removed_at = bench.clock.now()
    await bench.clock.advance(28_799)
    assert outcomes(logged(bench, await push(bench, provider))) == ["discarded: unregistered"]
    await bench.clock.advance(1)
    answer = await bench.ask(await bench.connect())
    assert (answer.status, answer.reason) == (410, "Unregistered")
    assert answer.body.endswith(b'"timestamp":%d}' % int((removed_at + 28_800) * 1000))
    assert device.got == []


async def test_what_waited_for_a_removed_app_is_discarded(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect())
    bench.sandbox.uninstall(bench.token)
    assert outcomes(logged(bench, answer)) == ["stored", "discarded: unregistered"]
    bench.sandbox.registry.reactivate(bench.token)
    device.reconnect()
    assert device.got == []


async def test_a_new_registration_brings_the_token_back(bench, device) -> None:
    bench.sandbox.uninstall(bench.token)
    await bench.clock.advance(DAY)
    bench.sandbox.registry.reactivate(bench.token)
    await push(bench, await bench.connect())
    assert device.texts() == ["hi"]


async def test_the_token_of_an_ended_activity_expires_after_its_grace(bench) -> None:
    bench.sandbox.profile.token_grace_s = 30
    bench.sandbox.expire(bench.token)
    provider = await bench.connect()
    await push(bench, provider)
    await bench.clock.advance(30)
    assert (await bench.ask(provider)).reason == "ExpiredToken"


# --- too many -----------------------------------------------------------------------------------------------------


async def test_one_token_bears_sixty_pushes_and_then_one_a_second(bench) -> None:
    assert bench.sandbox.profile.device_rate == Rate(60, 1.0)
    provider = await bench.connect()
    statuses = [(await bench.ask(provider)).status for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    other = bench.sandbox.registry.mint_token(TOPIC, "sandbox")
    assert (await bench.ask(provider, path=f"/3/device/{other}")).status == 200
    await bench.clock.advance(1)
    assert [(await bench.ask(provider)).status for _ in range(2)] == [200, 429]
