"""The APNs sandbox as a library: what `simulator.lab` promises to whoever imports it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.apns.registry import Registry
from simulator.lab import ApnsSandbox, AsyncApnsSandbox, LabError, PushTimeout, SandboxError

ALERT = {"aps": {"alert": {"title": "Build", "body": "Done"}}}


@pytest.fixture
def apns() -> Iterator[ApnsSandbox]:
    with ApnsSandbox() as sandbox:
        yield sandbox


def headers(apns: Any, **more: str) -> dict[str, str]:
    given = {
        "authorization": f"bearer {apns.provider_token()}",
        "apns-topic": apns.bundle_id,
        "apns-push-type": "alert",
    }
    return given | {name.replace("_", "-"): value for name, value in more.items()}


def push(apns: ApnsSandbox, token: str | None = None, payload: Any = ALERT, **more: str) -> httpx.Response:
    with httpx.Client(http2=True, verify=apns.ssl_context()) as client:
        url = f"{apns.url}/3/device/{token or apns.device.token}"
        return client.post(url, headers=headers(apns, **more), json=payload)


def test_a_push_is_seen_whole_with_what_became_of_it(apns: ApnsSandbox) -> None:
    response = push(apns, apns_collapse_id="build", apns_priority="5", apns_expiration="1900000000")
    assert response.status_code == 200
    sent = apns.wait_for_push(topic="com.example.app", accepted=True)
    assert (sent.payload, sent.aps, sent.body) == (
        ALERT,
        ALERT["aps"],
        httpx.Request("POST", "x:", json=ALERT).content,
    )
    assert (sent.topic, sent.push_type, sent.priority) == ("com.example.app", "alert", 5)
    assert (sent.expiration, sent.collapse_id, sent.environment) == (1_900_000_000, "build", "sandbox")
    assert (sent.token, sent.path) == (apns.device.token, f"/3/device/{apns.device.token}")
    assert (sent.status, sent.reason, sent.outcome) == (200, None, "shown")
    assert sent.apns_id == response.headers["apns-id"]
    assert sent.headers["authorization"].startswith("bearer ")
    assert str(sent) == 'alert 200 shown "Build"'
    assert repr(sent) == f'<Push 1 to ...{apns.device.token[-8:]}: alert 200 shown "Build">'
    [shown] = apns.device.notifications
    assert (shown.title, shown.body, shown.payload) == ("Build", "Done", ALERT)


def test_what_apns_refuses_is_among_what_was_sent_with_the_reason(apns: ApnsSandbox) -> None:
    assert push(apns, "ab" * 32).json() == {"reason": "BadDeviceToken"}
    sent = apns.wait_for_push(accepted=False)
    assert (sent.status, sent.reason, sent.outcome) == (400, "BadDeviceToken", "refused")
    assert sent.why is not None
    assert apns.device.notifications == ()


def test_every_sandbox_has_the_same_ids_key_and_tokens(apns: ApnsSandbox) -> None:
    """So that they may stand in a configuration."""
    assert (apns.key_id, apns.team_id, apns.bundle_id) == ("SANDBOXKEY", "SANDBOXDEV", "com.example.app")
    with ApnsSandbox() as other:
        for name in ("key_id", "team_id", "key", "bundle_id"):
            assert getattr(other, name) == getattr(apns, name)
        assert other.device.tokens == apns.device.tokens
        assert not set(other.ports.values()) & set(apns.ports.values())
        assert other.key_file.read_text() == apns.key
        assert other.ca_file.read_text() == other.ca_pem
    assert not other.key_file.exists()


def test_after_the_end_what_was_sent_can_be_read_and_nothing_can_come(apns: ApnsSandbox) -> None:
    push(apns)
    apns.close()
    assert [one.outcome for one in apns.sent] == ["shown"]
    assert len(apns.device.notifications) == 1
    with pytest.raises(LabError, match="not up"):
        apns.wait_for_push()
    with pytest.raises(LabError, match="started once"):
        apns.start()
    apns.close()
    assert not [one for one in threading.enumerate() if one.name == "apns-sandbox"]


def test_waiting_has_a_bound_and_says_what_came_instead(apns: ApnsSandbox) -> None:
    push(apns, "ab" * 32)
    with pytest.raises(PushTimeout) as caught:
        apns.wait_for_push(topic="com.other", timeout=0.01)
    assert str(caught.value).splitlines() == [
        "no push with topic='com.other' came within 0.01 s; 1 came in all:",
        f"  {apns.sent[0]!r}",
    ]
    with pytest.raises(PushTimeout, match=r"not 2 pushes with where=\.\.\. came"):
        apns.wait_for_pushes(2, where=lambda one: one.token != apns.device.token, timeout=0.01)
    with pytest.raises(AttributeError, match="tropic"):
        apns.wait_for_push(tropic="com.other")  # type: ignore[call-arg]


def test_a_push_that_comes_later_is_waited_for(apns: ApnsSandbox) -> None:
    later = threading.Timer(0.05, push, (apns,))
    later.start()
    assert apns.wait_for_push(outcome="shown", timeout=60).payload == ALERT
    later.join()


async def test_a_coroutine_awaits_a_push_and_is_not_let_block_its_own_provider(apns: ApnsSandbox) -> None:
    async def provider() -> None:
        async with httpx.AsyncClient(http2=True, verify=apns.ssl_context()) as client:
            await client.post(f"{apns.url}/3/device/{apns.device.token}", headers=headers(apns), json=ALERT)

    pushing = asyncio.create_task(provider())
    with pytest.raises(LabError, match="wait_for_push_async"):
        apns.wait_for_push()
    assert (await apns.wait_for_push_async(timeout=60)).payload == ALERT
    await pushing
    assert apns.wait_for_push().payload == ALERT  # it is there, so nobody waits
    assert len(await apns.wait_for_pushes_async(1)) == 1


async def test_on_the_loop_that_runs_hours_pass_at_once() -> None:
    async with AsyncApnsSandbox(clock="virtual", environment="production") as apns:
        assert apns.port == apns.ports["production"]
        apns.device.set(online=False)
        began = apns.now
        async with httpx.AsyncClient(http2=True, verify=apns.ssl_context()) as client:
            url = f"{apns.url}/3/device/{apns.device.token}"
            kept = {"apns-expiration": str(int(began) + 3600)}
            await client.post(url, headers=headers(apns) | kept, json=ALERT)
            assert (await apns.wait_for_push()).outcome == "stored"
            assert len(await apns.wait_for_pushes(1)) == 1
            await apns.advance(7200)
            assert (apns.now - began, apns.sent[0].outcome) == (7200, "discarded")


def test_time_is_turned_on_a_virtual_clock_only(apns: ApnsSandbox) -> None:
    with pytest.raises(LabError, match="clock is real"):
        apns.advance(1)
    with ApnsSandbox(clock="virtual") as virtual:
        began = virtual.now
        virtual.advance(9 * 3600)
        assert virtual.now - began == 9 * 3600
        assert push(virtual).status_code == 200


def test_pushes_fail_on_purpose(apns: ApnsSandbox) -> None:
    name = apns.faults.add(
        {"answer": {"reason": "TooManyRequests"}}, times=1, match={"topic": apns.bundle_id}
    )
    assert [push(apns).status_code for _ in range(2)] == [429, 200]
    assert apns.faults.struck() == {name: 1}
    apns.faults.remove(name)
    with pytest.raises(LabError, match="no fault"):
        apns.faults.remove(name)
    with pytest.raises(SandboxError, match="delay_s"):
        apns.faults.add({"delay_s": "soon"})
    apns.faults.load([{"do": {"close": True}}, {"do": {"stall": True}}])
    apns.faults.clear()
    assert apns.faults.struck() == {}


def test_what_a_phone_may_be_like(apns: ApnsSandbox) -> None:
    apns.device.unregister(since=1_795_000_000)
    assert push(apns).json() == {"reason": "Unregistered", "timestamp": 1_795_000_000_000}
    other = apns.add_device("iPad", bundle_id="com.other", tokens={"alert": "AB" * 32})
    assert (other.token, other.bundle_id, other.environment) == ("ab" * 32, "com.other", "sandbox")
    assert [device.name for device in apns.devices] == ["iPhone", "iPad"]
    assert push(apns, other.token, apns_topic="com.other").status_code == 200
    badge = {"aps": {"badge": 3}}
    push(apns, other.token, badge, apns_topic="com.other")
    assert other.badge == 3
    old, new = other.token, other.rotate()
    assert old != new == other.token
    with pytest.raises(SandboxError, match="there is a device token"):
        apns.add_device("iPod", tokens={"alert": new})
    assert [device.name for device in apns.devices] == ["iPhone", "iPad"]
    with pytest.raises(LabError, match="'onlin'"):
        apns.device.set(onlin=False)


PIZZA = {"name": "Pizza", "attributes": {"order": "int"}, "content_state": {"status": "string"}}


def test_a_live_activity_of_ones_own_type_is_updated() -> None:
    with ApnsSandbox(activity_types=[PIZZA]) as apns:
        card = apns.device.start_activity("Pizza", {"order": 7}, {"status": "baking"})
        assert card.token is not None
        topic = f"{apns.bundle_id}.push-type.liveactivity"
        changed = {"timestamp": int(apns.now) + 1, "event": "update", "content-state": {"status": "out"}}
        push(apns, card.token, {"aps": changed}, apns_topic=topic, apns_push_type="liveactivity")
        assert apns.wait_for_push(push_type="liveactivity").outcome == "updated"
        [card] = apns.device.activities
        assert (card.content_state, card.state) == ({"status": "out"}, "active")
        with pytest.raises(LabError):
            apns.device.start_activity("Pasta", {}, {})
    with pytest.raises(LabError, match="activity_types"):
        ApnsSandbox(activity_types=[{"name": "Pizza"}])


def test_a_reset_brings_back_the_start(apns: ApnsSandbox) -> None:
    tokens = apns.device.tokens
    apns.device.unregister()
    apns.device.rotate()
    apns.device.set(online=False)
    apns.add_device("iPad", bundle_id="com.other", tokens={"alert": "ab" * 32})
    apns.change_profile(unregister_after_s=0, device_rate={"burst": 1, "per_second": 0.001})
    apns.faults.add({"stall": True}, match={"topic": "com.none"})
    apns.revoke_key()
    assert push(apns).status_code == 403
    for _ in range(2):
        apns.reset()
        assert (apns.sent, apns.faults.struck(), apns.device.tokens) == ((), {}, tokens)
        assert [device.name for device in apns.devices] == ["iPhone"]
        assert apns.device.notifications == ()
        assert [push(apns).status_code for _ in range(2)] == [200, 200]
        assert len(apns.sent) == 2
        assert apns.add_device("iPad", tokens={"alert": "ab" * 32}).token == "ab" * 32


def test_a_reset_forgets_how_many_pushes_a_device_had(apns: ApnsSandbox) -> None:
    def pushes() -> list[int]:
        apns.change_profile(device_rate={"burst": 1, "per_second": 0.001})
        return [push(apns).status_code for _ in range(2)]

    assert pushes() == [200, 429]
    apns.reset()
    assert pushes() == [200, 429]


def test_to_clear_forgets_what_was_sent_and_nothing_else(apns: ApnsSandbox) -> None:
    apns.faults.add({"stall": True}, match={"topic": "com.none"}, id="none")
    push(apns)
    apns.clear()
    assert (apns.sent, len(apns.device.notifications)) == ((), 1)
    assert apns.faults.struck() == {"none": 0}


def test_key_team_token_and_bundle_id_of_ones_own(private_key: str) -> None:
    own = {"key": private_key, "key_id": "ABCDE12345", "team_id": "TEAM123456", "bundle_id": "com.mine.app"}
    with ApnsSandbox(**own, token="CD" * 32) as apns:  # type: ignore[arg-type]
        assert push(apns).status_code == 200
        sent = apns.wait_for_push(topic="com.mine.app")
        assert (sent.token, apns.key, apns.team_id) == ("cd" * 32, private_key, "TEAM123456")
        assert apns.key_file.name == "AuthKey_ABCDE12345.p8"
        assert apns.details["key_id"] == "ABCDE12345"
    with pytest.raises(SandboxError, match="no private key as PEM"):
        ApnsSandbox(key="secret")
    with pytest.raises(SandboxError, match="hex"):
        ApnsSandbox(token="not hex")


def test_a_client_certificate_stands_in_for_provider_tokens(apns: ApnsSandbox, tmp_path: Path) -> None:
    file = tmp_path / "client.pem"
    file.write_text(apns.client_certificate())
    context = apns.ssl_context()
    context.load_cert_chain(file)
    with httpx.Client(http2=True, verify=context) as client:
        topic = {"apns-topic": apns.bundle_id}
        assert (
            client.post(f"{apns.url}/3/device/{apns.device.token}", headers=topic, json=ALERT).status_code
            == 200
        )


def test_a_control_api_is_there_where_it_is_asked_for() -> None:
    with ApnsSandbox(control_port=0, keep=2) as apns:
        assert apns.control_url is not None
        for _ in range(3):
            push(apns)
        assert [one.number for one in apns.sent] == [2, 3]  # the newest that are kept
        pushes = httpx.get(f"{apns.control_url}/pushes").json()["pushes"]
        assert [one["number"] for one in pushes] in ([2, 3], [3, 2])
        assert apns.details["control"] == apns.control_url
        connected = httpx.Client(http2=True, verify=apns.ssl_context())
        connected.post(f"{apns.url}/3/device/{apns.device.token}", headers=headers(apns), json=ALERT)
        apns.goaway()
        connected.close()
    with pytest.raises(OSError, match="in use"), ApnsSandbox() as one, ApnsSandbox(port=one.port):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "apns-sandbox"]


def test_before_the_start_there_are_no_files() -> None:
    sandbox = ApnsSandbox()
    assert repr(sandbox) == "<ApnsSandbox that is not up>"
    with pytest.raises(LabError, match="written by start"):
        _ = sandbox.key_file
    with pytest.raises(SandboxError, match="written by start"):
        _ = sandbox.ca_file


def test_a_reset_deletes_channels(apns: ApnsSandbox) -> None:
    channels = apns._lab.sandbox.channels
    channels.create("sandbox", apns.bundle_id, 0, apns.now)
    apns.reset()
    assert list(channels.ids("sandbox", apns.bundle_id)) == []
    assert repr(apns.device) == "<Device 'iPhone'>"


def test_a_reset_knows_all_that_a_registry_holds() -> None:
    """A registry that learns of something new must be brought back by a reset, too."""
    from random import Random

    assert set(vars(Registry(Random(0)))) == {"_random", "team_id", "apps", "keys", "topics", "tokens"}
