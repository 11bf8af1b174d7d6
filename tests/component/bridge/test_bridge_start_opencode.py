"""`relay bridge --start-opencode` with a program that behaves like `opencode serve`: a real process, its group and its end."""

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from component.bridge.fake_relay import FakeRelay
from component.bridge.running import SECRET
from relay.bridge.address import Address
from relay.bridge.errors import ServeError
from relay.bridge.options import BridgeOptions
from relay.bridge.run import run_bridge
from relay.bridge.sources.serve import START_SECONDS, OpenCodeServe, ask_version, serve_command
from simulator.loopback import free_port
from waiting import PATIENCE, eventually

HERE = Address("http://127.0.0.1:4096", "opencode", None)


PROGRAM = '''#!{python}
"""Listens as `opencode serve` does. MODE: what goes wrong. It writes down what it was given, and the pid of its tool."""
import asyncio, json, os, signal, subprocess, sys
sys.path.insert(0, {tests!r})
from component.bridge.fake_opencode import FakeOpenCode
from component.bridge.fake_opencode2 import FakeOpenCode2

mode = os.environ.get("MODE", "")
if sys.argv[1:] == ["--version"]:
    if mode == "slow":
        signal.pause()
    print(os.environ.get("VERSION", "1.18.33"), file=sys.stderr if mode == "shim" else sys.stdout)
    sys.exit(0)
options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[2:] if "=" in word)
tool = subprocess.Popen([sys.executable, "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"])
note = {{"argv": sys.argv[1:], "pid": os.getpid(), "group": os.getpgrp(), "tool": tool.pid,
        "password": os.environ.get("OPENCODE_SERVER_PASSWORD"), "user": os.environ.get("OPENCODE_SERVER_USERNAME"),
        "password2": os.environ.get("OPENCODE_PASSWORD")}}
open(os.environ["NOTE"], "w").write(json.dumps(note))
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if mode == "silent":
    signal.pause()
if mode == "fails":
    print("Warning: something\\nError: port in use", flush=True)
    tool.kill()
    sys.exit(3)

async def main():
    server = FakeOpenCode()
    if "v2" in os.environ.get("VERSION", ""):
        server = FakeOpenCode2()
        server.password = note["password2"]
    server.port = int(options["port"])
    await server.start()
    if mode == "other words":
        print("READY.", flush=True)
        await asyncio.sleep(60)
    print("Warning: OPENCODE_SERVER_PASSWORD is not set; server is unsecured.", flush=True)
    print(("" if mode == "second" else "opencode ") + f"server listening on {{server.url}}", flush=True)
    print("x" * 300_000, flush=True)  # more than a pipe holds
    open(os.environ["NOTE"] + ".said", "w").write("all")
    while not (mode == "dies" and server.streams):
        await asyncio.sleep(0.01)
    os._exit(7)

asyncio.run(main())
'''


Note = Callable[[], dict[str, Any]]


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Note:
    """The program is `opencode` in PATH; the fixture reads what it wrote down."""
    path = tmp_path / "note"
    program = tmp_path / "bin" / "opencode"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, tests=str(Path(__file__).parents[2])))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTE", str(path))
    monkeypatch.delenv("OPENCODE_BIN", raising=False)
    for name in ("OPENCODE_SERVER_PASSWORD", "OPENCODE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def read() -> dict[str, Any]:
        return dict(json.loads(path.read_text())) if path.exists() and path.read_text() else {}

    return read


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def serve(*arguments: str, **seconds: float) -> OpenCodeServe:
    return OpenCodeServe(serve_command(HERE, [*arguments, "--port=0"], os.environ), **seconds)


class TestProcess:
    async def test_the_second_generation_says_it_with_a_word_less(
        self, note: Note, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODE", "second")
        process = serve()
        try:
            assert await process.start()
        finally:
            await process.stop()

    async def test_it_is_there_once_it_has_started(self, note: Note, http: Any, tmp_path: Path) -> None:
        process = serve("--print-logs")
        url = await process.start()
        try:
            async with http.get(f"{url}/global/health") as response:
                assert (await response.json())["healthy"] is True
            assert note()["argv"] == ["serve", "--print-logs", "--port=0", "--hostname=127.0.0.1"]
            assert note()["group"] == note()["pid"] != os.getpgrp()
            await eventually((tmp_path / "note.said").exists)  # nobody let its output fill the pipe
        finally:
            await process.stop()

    @needs_proc
    @pytest.mark.parametrize("mode", ["", "deaf"])
    async def test_nothing_of_it_is_left_when_it_was_stopped(
        self, note: Note, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setenv("MODE", mode)
        process = serve(stop_seconds=0.2)
        await process.start()
        assert alive(note()["pid"])
        assert alive(note()["tool"])
        await process.stop()
        await eventually(lambda: not alive(note()["pid"]) and not alive(note()["tool"]))
        await process.stop()  # once more is harmless

    @pytest.mark.parametrize(
        ("mode", "reason"),
        [
            ("fails", "ended with status 3 before it listened: Error: port in use"),
            ("silent", r"did not listen within 0\.2 s"),
        ],
    )
    async def test_one_that_does_not_listen_is_given_up(
        self, note: Note, monkeypatch: pytest.MonkeyPatch, mode: str, reason: str
    ) -> None:
        monkeypatch.setenv("MODE", mode)
        process = serve(start_seconds=0.2 if mode == "silent" else START_SECONDS)
        with pytest.raises(ServeError, match=reason):
            await process.start()
        await process.stop()

    async def test_one_whose_port_is_taken_says_so(
        self, note: Note, monkeypatch: pytest.MonkeyPatch, fake_relay: FakeRelay
    ) -> None:
        monkeypatch.setenv("MODE", "fails")
        process = OpenCodeServe(serve_command(Address(fake_relay.url, "opencode", None), [], os.environ))
        with pytest.raises(ServeError, match=f"something else listens on 127.0.0.1:{fake_relay.port}"):
            await process.start()
        await process.stop()

    async def test_one_that_cannot_run_is_named(self, tmp_path: Path) -> None:
        program = tmp_path / "opencode"
        program.write_text("#!/nowhere/at/all\n")
        program.chmod(0o755)
        process = OpenCodeServe(serve_command(HERE, (), {"OPENCODE_BIN": str(program)}))
        with pytest.raises(ServeError, match=r"cannot run .*opencode: No such file"):
            await process.start()
        await process.stop()


def starting(relay: FakeRelay, **changed: Any) -> BridgeOptions:
    return BridgeOptions(
        HERE.url,
        relay.url,
        relay_secret=SECRET,
        opencode_arguments=("--port=0",),
        print_link=True,
        **changed,
    )


class TestGeneration2:
    async def test_the_port_is_enough_for_a_release_with_other_words(
        self, note: Note, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODE", "other words")
        port = free_port()
        process = OpenCodeServe(serve_command(Address(f"http://127.0.0.1:{port}", "opencode", "p"), [], os.environ, 2))  # fmt: skip
        assert await process.start() == f"http://127.0.0.1:{port}"
        await process.stop()

    async def test_a_port_that_another_has_is_not_its_own(
        self, note: Note, monkeypatch: pytest.MonkeyPatch, fake_relay: FakeRelay
    ) -> None:
        monkeypatch.setenv("MODE", "fails")
        process = OpenCodeServe(serve_command(Address(fake_relay.url, "opencode", "p"), [], os.environ, 2))
        with pytest.raises(ServeError, match=f"something else listens on 127.0.0.1:{fake_relay.port}"):
            await process.start()
        await process.stop()

    @pytest.mark.parametrize("mode", ["", "shim"])
    @pytest.mark.parametrize("password", [None, "geheim"])
    async def test_it_gets_a_password_and_is_followed_with_it(
        self,
        note: Note,
        fake_relay: FakeRelay,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        mode: str,
        password: str | None,
    ) -> None:
        monkeypatch.setenv("MODE", mode)
        monkeypatch.setenv("VERSION", "opencode v2.0.22")
        stop, out = asyncio.Event(), io.StringIO()
        options = starting(fake_relay, username="me", password=password)
        bridge = asyncio.create_task(run_bridge(options, stop=stop, out=out))
        await eventually(lambda: "mobilevoice:///" in out.getvalue())
        stop.set()
        await asyncio.wait_for(bridge, PATIENCE)
        given = note()["password2"]
        assert given == (password or given)
        assert len(given) >= 6
        assert note()["user"] is None  # it knows one user only
        assert given not in out.getvalue() + caplog.text
        await eventually(lambda: not alive(note()["pid"]))

    async def test_a_program_that_does_not_say_its_version_is_of_generation_1(
        self, note: Note, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("MODE", "slow")
        assert await ask_version(str(tmp_path / "bin" / "opencode"), os.environ, 0.2) == ""
        assert await ask_version(str(tmp_path / "nothing"), os.environ) == ""

    async def test_a_stop_while_the_version_is_asked_for(
        self, note: Note, fake_relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODE", "slow")
        stop = asyncio.Event()
        bridge = asyncio.create_task(run_bridge(starting(fake_relay), stop=stop, out=io.StringIO()))
        asyncio.get_running_loop().call_later(0.1, stop.set)
        await asyncio.wait_for(bridge, PATIENCE)
        assert note() == {}


class TestBridge:
    async def test_it_starts_and_stops_with_the_bridge(self, note: Note, fake_relay: FakeRelay) -> None:
        stop, out = asyncio.Event(), io.StringIO()
        options = starting(fake_relay, username="me", password="geheim")
        bridge = asyncio.create_task(run_bridge(options, stop=stop, out=out))
        await eventually(lambda: "mobilevoice:///" in out.getvalue())
        assert (note()["user"], note()["password"]) == ("me", "geheim")
        assert "Waiting for OpenCode" not in out.getvalue()
        stop.set()
        await asyncio.wait_for(bridge, PATIENCE)
        await eventually(lambda: not alive(note()["pid"]))

    async def test_the_bridge_ends_with_it(
        self, note: Note, fake_relay: FakeRelay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODE", "dies")
        options = starting(fake_relay)
        bridge = run_bridge(options, stop=asyncio.Event(), out=io.StringIO())
        with pytest.raises(ServeError, match="ended with status 7; the bridge stops with it"):
            await asyncio.wait_for(bridge, PATIENCE)

    async def test_a_stop_while_it_starts_ends_both(
        self,
        note: Note,
        fake_relay: FakeRelay,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("MODE", "silent")
        stop, out = asyncio.Event(), io.StringIO()
        options = starting(fake_relay)
        bridge = asyncio.create_task(run_bridge(options, stop=stop, out=out))
        await eventually(note)
        stop.set()
        await asyncio.wait_for(bridge, PATIENCE)
        assert out.getvalue() == ""
        await eventually(lambda: not alive(note()["pid"]))

    async def test_as_a_command_it_ends_on_sigterm(self, note: Note, fake_relay: FakeRelay) -> None:
        words = ["bridge", f"--relay-url={fake_relay.url}", f"--relay-secret={SECRET}", "--port=0",
                 "--print-link", "--start-opencode", "--", "--port=0", "--hostname=127.0.0.1", "--print-logs"]  # fmt: skip
        bridge = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "relay", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )  # fmt: skip
        assert bridge.stdout
        async with asyncio.timeout(PATIENCE):
            while b"mobilevoice:///" not in await bridge.stdout.readline():
                assert bridge.returncode is None
        assert note()["argv"] == ["serve", "--port=0", "--hostname=127.0.0.1", "--print-logs"]
        bridge.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(bridge.communicate(), PATIENCE)
        assert bridge.returncode == 0, said
        assert SECRET.encode() not in said
        await eventually(lambda: not alive(note()["pid"]))
