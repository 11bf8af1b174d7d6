"""From 200 to the device: stored, sent or discarded, and what the log has of it; over TLS and HTTP/2, on a virtual clock."""

from typing import Any

import pytest

from .conftest import TOPIC, Device


def texts(device: Device) -> list[str]:
    return [each.payload["aps"]["alert"] for each in device.got]


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


async def test_the_journal_knows_of_a_push_before_the_device_does(bench, device) -> None:
    await push(bench, await bench.connect())
    [known] = device.known
    assert known[-2:] == ["push", "delivery"]


async def test_the_journal_has_each_step_without_a_whole_token(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect())
    device.reconnect()
    stored, sent = (entry.detail for entry in bench.journal.entries("apns", "delivery"))
    assert (stored["outcome"], sent["outcome"]) == ("stored", "sent")
    assert sent["apns_unique_id"] == answer.headers["apns-unique-id"]
    assert sent["apns_id"] == answer.headers["apns-id"]
    assert sent["device"] == "iPhone"
    assert bench.token not in str([stored, sent])


async def test_a_device_that_goes_away_again_finds_the_rest_next_time(bench, device) -> None:
    device.online = False
    answer = await push(bench, await bench.connect())
    bench.sandbox.reconnected(device)
    assert outcomes(logged(bench, answer)) == ["stored", "stored"]
    device.reconnect()
    assert texts(device) == ["hi"]


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


async def test_production_has_a_log_too_though_no_unique_id_goes_out(bench) -> None:
    token = bench.sandbox.registry.mint_token(TOPIC, "production")
    answer = await push(bench, await bench.connect("production"), path=f"/3/device/{token}")
    assert "apns-unique-id" not in answer.headers
    entry = bench.sandbox.delivery_log.by_apns_id(answer.headers["apns-id"])
    assert (entry.outcome, entry.realm, entry.token) == ("sent", "production", token[-8:])
    assert bench.sandbox.delivery_log.find(entry.unique_id) is entry


# --- the app is removed -------------------------------------------------------------------------------------------
