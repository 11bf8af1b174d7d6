"""`simulator apns` in this process: what it leaves behind, what it keeps, and what it says when it cannot."""

import asyncio
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import jwt
import pytest

from simulator.conform.client import Connection
from simulator.lab.command import SandboxOptions, running
from simulator.lab.errors import StateError
from simulator.lab.guide import guide
from simulator.lab.lab import Lab
from simulator.lab.ready import describe
from simulator.process import CommandError
from simulator.stopping import HANGUP, on_stop
from waiting import PATIENCE


def _options(folder: Path, **changes: Any) -> SandboxOptions:
    ports = dict.fromkeys(
        ("port", "production_port", "manage_port", "manage_production_port", "control_port"), 0
    )
    return SandboxOptions(**ports, folder=folder, **changes)


async def test_all_is_gone_afterwards_and_what_changed_is_saved(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with running(_options(tmp_path, state=state)) as sandbox:
        ports = [*sandbox.lab.sandbox.ports.values(), sandbox.control.port]
        sandbox.lab.sandbox.add_app("com.late")
    assert "com.late" in state.read_text()
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_new_key_is_made_when_all_were_revoked(tmp_path: Path) -> None:
    options = _options(tmp_path, state=tmp_path / "state.json")
    async with running(options) as sandbox:
        [old] = sandbox.lab.keys
        sandbox.lab.issue_key(topics=frozenset({"com.other"}))  # good for less than everything
        sandbox.lab.revoke_key(old)
    async with running(options) as sandbox:
        newest = list(sandbox.lab.keys)[-1]
        assert len(sandbox.lab.keys) == 3
        assert sandbox.key_file.name == f"AuthKey_{newest}.p8"


async def test_the_profile_of_the_command_line_wins_and_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with running(_options(tmp_path, state=state, profile="strict")) as sandbox:
        strict = sandbox.lab.sandbox.profile.dump()
    async with running(_options(tmp_path, state=state)) as sandbox:
        assert sandbox.lab.sandbox.profile.dump() == strict
    async with running(_options(tmp_path, state=state, profile="documented")) as sandbox:
        assert sandbox.lab.sandbox.profile.dump() != strict


async def test_clock_profile_and_faults_of_the_command_line(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"id": "busy", "do": {"answer": {"reason": "TooManyRequests"}}}]')
    async with running(_options(tmp_path, clock="virtual", profile="strict", faults=faults)) as sandbox:
        assert sandbox.lab.clock_kind == "virtual"
        assert sandbox.lab.sandbox.profile.suffix_must_fit is True
        assert list(sandbox.lab.sandbox.faults.struck()) == ["busy"]


async def test_a_real_provider_pushes_to_a_clock_that_is_turned(tmp_path: Path) -> None:
    """It signs by the machine's time, whatever the sandbox's is; one that knows how far that was turned may sign by both."""
    async with running(_options(tmp_path, clock="virtual")) as sandbox:
        lab = sandbox.lab
        assert abs(lab.clock.now() - time.time()) < PATIENCE
        assert await _push(lab, time.time()) == (200, None)
        for hours in (2, 9, 30 * 24):
            await lab.advance(hours * 3600)
            assert await _push(lab, time.time()) == (200, None)
            assert await _push(lab, lab.clock.now()) == (200, None)
        assert await _push(lab, time.time() + 4 * 3600) == (403, "ExpiredProviderToken")
        assert await _push(lab, lab.clock.now() + 3600) == (403, "InvalidProviderToken")
        assert len(lab.device("iPhone").phone.notifications) == 7


async def _push(lab: Lab, iat: float) -> tuple[int | None, str | None]:
    """A push over TLS on a connection of its own, with a token of this iat; status and reason."""
    [key], device = lab.keys.values(), lab.device("iPhone")
    claims = {"iss": key.team_id, "iat": int(iat)}
    bearer = jwt.encode(claims, key.private_key, "ES256", {"kid": key.key_id})
    connection = Connection()
    tls = ssl.create_default_context(cadata=lab.sandbox.ca_pem)
    tls.set_alpn_protocols(["h2"])
    try:
        await connection.open(lab.sandbox.ports["sandbox"], tls)
        stream = await connection.request(
            [
                (":method", "POST"), (":scheme", "https"), (":authority", "localhost"),
                (":path", f"/3/device/{device.tokens['alert']}"), ("authorization", f"bearer {bearer}"),
                ("apns-topic", device.spec.bundle_id), ("apns-push-type", "alert"),
            ],
            b'{"aps":{"alert":"x"}}',
        )  # fmt: skip
        answer = await connection.answer(stream)
        return answer.status, answer.fields.get("reason")
    finally:
        await connection.close()


async def test_an_unknown_profile_is_one_sentence(tmp_path: Path) -> None:
    """argparse lets none through; whoever calls it from Python is told too."""
    with pytest.raises(CommandError, match="mild"):
        await _once(_options(tmp_path, profile="mild"))


async def test_a_state_that_cannot_be_saved_at_the_end_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be written"):
        await _once(_options(tmp_path, state=tmp_path / "folder" / "state.json"), _spoil)


async def _once(options: SandboxOptions, meanwhile: Callable[[Path], None] = lambda _: None) -> None:
    """Start, change something, and stop."""
    async with running(options) as sandbox:
        sandbox.lab.sandbox.add_app("com.late")
        meanwhile((options.state or options.folder).parent)


def _spoil(folder: Path) -> None:
    """A file stands where the folder of the state was."""
    shutil.rmtree(folder)
    folder.write_text("in the way")


async def test_a_change_that_cannot_be_saved_is_an_error_of_the_request(tmp_path: Path) -> None:
    state = tmp_path / "folder" / "state.json"
    async with running(_options(tmp_path, state=state)) as sandbox, aiohttp.ClientSession() as http:
        _spoil(state.parent)
        async with http.post(f"{sandbox.control.url}/apps", json={"bundle_id": "com.other"}) as response:
            assert (response.status, (await response.json())["code"]) == (500, "lab_failed")
        state.parent.unlink()


async def test_tokens_of_cards_are_the_same_at_every_start_too(tmp_path: Path) -> None:
    tokens = []
    for name in ("first", "second"):
        async with running(_options(tmp_path / name)) as sandbox:
            phone = sandbox.lab.devices[0].phone
            phone.set("app", "foreground")
            state = {"status": "working", "sessionTitle": "Fix the login", "lastMessage": ""}
            card = phone.activities.start("SessionActivityAttributes", {"sessionId": "ses_1"}, state)
            tokens.append((card.token, sandbox.lab.devices[0].tokens["alert"]))
    assert tokens[0] == tokens[1]
    assert tokens[0][0]


async def test_key_and_tokens_of_ones_own_and_a_proxy(tmp_path: Path, private_key: str) -> None:
    file = tmp_path / "AuthKey_ABCDE12345.p8"
    file.write_text(private_key)
    own = _options(
        tmp_path / "apns", key=file, tokens=(("alert", "AB" * 32), ("voip", "cd" * 32)), proxy_port=0
    )
    async with running(own) as sandbox:
        found = describe(sandbox.lab)
        assert found["key_id"] == "ABCDE12345"
        assert sandbox.key_file.read_text() == private_key
        assert (found["tokens"]["alert"], found["tokens"]["voip"]) == ("ab" * 32, "cd" * 32)
        assert await _push(sandbox.lab, time.time()) == (200, None)
        assert f"{found['proxy']} leads Apple's host names here" in guide(
            sandbox.lab, sandbox.control.url, sandbox.key_file
        )
        async with httpx.AsyncClient(
            http2=True,
            proxy=found["proxy"],
            verify=ssl.create_default_context(cadata=sandbox.lab.sandbox.ca_pem),
        ) as client:
            answer = await client.post(f"https://api.push.apple.com/3/device/{'ab' * 32}", json={})
        assert answer.json() == {"reason": "MissingProviderToken"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": Path("none.p8")}, "none.p8 cannot be read"),
        ({"key": Path(__file__)}, "cannot be read|no private key as PEM"),
        ({"key_id": "no id"}, "--key-id is letters and digits"),
        ({"tokens": (("alert", "no hex"),)}, "a device token is hex"),
    ],
)
async def test_what_is_wrong_with_key_and_tokens_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        await _once(_options(tmp_path, **changes))


async def test_a_system_without_signal_handlers_of_the_loop_stops_in_good_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Windows: asyncio's loops there raise NotImplementedError, and know no SIGHUP."""

    def none(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", none)
    monkeypatch.delattr(signal, "SIGHUP")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop = asyncio.Event()
    try:
        on_stop(stop.set, HANGUP)
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
