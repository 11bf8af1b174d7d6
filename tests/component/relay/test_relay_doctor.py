"""`relay doctor` along a chain of real processes and the simulator's fakes, whole and broken at each of its places."""

import asyncio
import io
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from component.relay.doctoring import NOWHERE, examined, results
from relay.bridge.options import BridgeOptions
from relay.doctor.command import doctor as doctor_command
from relay.doctor.finding import STEPS, Case, Finding, finding_line, holds, report
from simulator.apns.faults import AnswerWith, Fault
from simulator.loopback import free_port
from simulator.replay.world import ReplayWorld, WorldOptions
from waiting import PATIENCE, eventually

ALONE = {"phone": "fails"}
"""In these worlds relay and phone are on one machine: no other phone would reach that relay."""


class World(ReplayWorld):
    """Its bridge serves its health, as it does unless somebody says otherwise."""

    def _bridge_arguments(self) -> list[str]:
        self.bridge_port = free_port()
        rest = [one for one in super()._bridge_arguments() if one != "--port=0"]
        return [*rest, f"--port={self.bridge_port}"]


class TestChain:
    """A whole world: fakes of OpenCode, APNs and the phone, a relay and a bridge as processes."""

    def case(self, world: World, **changes: Any) -> Case:
        options = BridgeOptions(
            world.opencode.url, world.relay.url, secret_file=world.folder / "relay-secret"
        )
        environment = world.relay.environment
        given = {"options": options, "environment": environment, "bridge_port": world.bridge_port}
        return Case(**given | changes)

    async def test_a_whole_chain_rings_once_and_shows_no_card(self) -> None:
        async with World(WorldOptions(live_activities=True)) as world:
            found = await examined(self.case(world))
            assert results(found) == dict.fromkeys(STEPS, "ok") | ALONE
            assert "which on a phone is the phone itself" in found["phone"].said
            assert found["bridge"].said == "it follows OpenCode 1.18.33"
            assert "OpenCode 1.18" in found["opencode"].said
            assert "1 phone(s)" in found["devices"].said
            assert "sandbox and production" in found["apns"].said
            (phone,) = world.phones
            await eventually(lambda: phone.notifications)
            assert [one.title for one in phone.notifications] == ["Push test"]
            assert not phone.activities.active
            # Without a push nothing rings, and without the relay's settings the key is not asked for.
            found = await examined(self.case(world, push=False, environment={}))
            assert results(found) == {
                "opencode": "ok", "bridge": "ok", "relay": "ok", "secret": "ok", "phone": "fails",
                "apns": "skipped", "devices": "ok", "push": "skipped",
            }  # fmt: skip
            assert found["devices"].said == "1 phone(s) under this secret"
            assert len(phone.notifications) == 1

    async def test_it_says_where_the_chain_breaks(self) -> None:
        async with World(WorldOptions(phones=0)) as world:
            case = self.case(world)
            found = await examined(case)
            assert (found["devices"].result, found["push"].result) == ("fails", "skipped")
            assert "no phone" in found["devices"].said
            assert "relay pair" in found["devices"].remedy

            await world.pair("iPhone")
            world.apns.faults.add(Fault(AnswerWith("TopicDisallowed"), times=1))
            # The doctor's own push is struck, not the phone's.
            assert "TopicDisallowed" in (await examined(self.case(world, push=False)))["apns"].said

            rule = world.apns.faults.add(
                Fault(AnswerWith("PayloadTooLarge"), token=world.phones[0].app.token)
            )
            found = await examined(case)
            assert results(found) == dict.fromkeys(STEPS, "ok") | ALONE | {"push": "fails"}
            assert "refused 1" in found["push"].said
            assert "413 PayloadTooLarge" in found["push"].said
            assert world.phones[0].app.token not in found["push"].said
            assert "PayloadTooLarge" not in (await examined(self.case(world, environment={})))["push"].said
            world.apns.faults.remove(rule)

            key = world.apns.registry.keys[world.key.key_id]
            key.public_key = ec.generate_private_key(ec.SECP256R1()).public_key()
            found = await examined(case)
            assert (found["apns"].result, found["push"].result) == ("fails", "fails")
            assert "InvalidProviderToken" in found["apns"].said
            assert "APNS_KEY_ID" in found["apns"].remedy
            assert "still being tried" in found["push"].said

            await world.bridge.stop()
            found = await examined(self.case(world, push=False))
            assert found["bridge"].result == "fails"
            assert (
                "(nothing listens there), so nothing that OpenCode does is reported" in found["bridge"].said
            )
            assert f"start it: relay bridge --relay-url {world.relay.url}" in found["bridge"].remedy

            await world.relay.stop()
            await world.opencode.close()
            found = await examined(case)
            assert (found["opencode"].result, found["relay"].result) == ("fails", "fails")
            assert (found["devices"].result, found["push"].result) == ("skipped", "skipped")


class TestReport:
    FINDINGS = (Finding("opencode", "ok", "fine\nand well"), Finding("relay", "fails", "gone", "start it"))

    def test_a_finding_is_one_line(self) -> None:
        assert [finding_line(one) for one in self.FINDINGS] == [
            "ok       opencode  fine and well",
            "fails    relay     gone -> start it",
        ]

    def test_a_program_gets_an_object(self) -> None:
        said = json.loads(report(self.FINDINGS))
        assert said["ok"] is holds(self.FINDINGS) is False
        assert said["steps"][1] == {"step": "relay", "result": "fails", "said": "gone", "remedy": "start it"}
        assert json.loads(report(self.FINDINGS[:1]))["ok"] is True


class TestCommand:
    @pytest.fixture
    def doctor(self, tmp_path: Path) -> Callable[..., Awaitable[asyncio.subprocess.Process]]:
        async def run(*words: str) -> asyncio.subprocess.Process:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("APNS_")}
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "relay", "doctor", f"--relay-url={NOWHERE}", f"--secret-file={tmp_path}/s",
                *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip

        return run

    async def test_what_fails_shows_in_the_exit_status(self, doctor: Any) -> None:
        process = await doctor(f"--opencode-url={NOWHERE}", "--json", "--no-push", "--port=9")
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert (process.returncode, err) == (1, b"")
        said = {step["step"]: step["result"] for step in json.loads(out)["steps"]}
        assert said == dict.fromkeys(STEPS, "skipped") | dict.fromkeys(
            ("opencode", "bridge", "relay", "secret", "phone"), "fails"
        )

    async def test_a_signal_ends_it_at_once(self, doctor: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            deaf.setblocking(False)
            process = await doctor(f"--opencode-url=http://127.0.0.1:{deaf.getsockname()[1]}")
            connection, _ = await asyncio.get_running_loop().sock_accept(deaf)
            with connection:
                process.send_signal(signal.SIGTERM)
                out, err = await asyncio.wait_for(process.communicate(), 8)  # before the step's own deadline
        assert (process.returncode, out, err) == (1, b"", b"")

    async def test_in_process_it_prints_as_it_goes(self, tmp_path: Path) -> None:
        out = io.StringIO()
        case = Case(BridgeOptions(NOWHERE, NOWHERE, secret_file=tmp_path / "s"), {})
        assert await doctor_command(case, stop=asyncio.Event(), out=out) == 1
        assert [line.split()[1] for line in out.getvalue().splitlines()] == list(STEPS)
