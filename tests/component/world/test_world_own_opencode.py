"""`simulator demo --opencode`: one command beside an OpenCode that is somebody else's process, up to the alert on the phone."""

import asyncio
import base64
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from browser import browser, has_rung, opened
from waiting import PATIENCE

SIMULATOR = [sys.executable, "-m", "simulator"]


class Process:
    """A command whose lines are read as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*SIMULATOR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
            env=os.environ | {"XDG_STATE_HOME": str(folder)},
        )  # fmt: skip
        self.lines: list[str] = []
        self._queue: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))

    def line(self, words: str) -> str:
        """The next line with these words."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                found = self._queue.get(timeout=max(0.0, ends - time.monotonic()))
            except Empty:
                raise AssertionError(f"no line with {words!r}, but {self.lines}") from None
            self.lines.append(found)
            if words in found:
                return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """`start(*arguments)`: a command of the simulator; what still runs is killed in the end."""
    started: list[Process] = []

    def begin(*arguments: str) -> Process:
        started.append(Process(tmp_path, *arguments))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(PATIENCE)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        read: bytes = response.read()
        return read


SCRIPT = '@@[{"op": "text", "n": 4, "ms": 20}]'
TITLE = {"title": "Fix the login"}
BASIC = "Basic " + base64.b64encode(b"opencode:of-its-own").decode()


def _post(url: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": BASIC}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        octets = response.read()
        return json.loads(octets) if octets else None


def test_one_command_from_no_opencode_to_the_alert_on_the_phone(start: Any) -> None:
    """OpenCode comes up after it, as it may; nothing is done between the prompt and the alert."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    demo = start("demo", "--opencode", url, "--control-port", "0")
    page = demo.line("The page: ").split()[2]
    demo.line(f"Waiting for OpenCode at {url}")
    opencode = start("opencode", "--port", str(port))
    demo.line("The iPhone is paired.")
    session = _post(f"{url}/session", TITLE)
    _post(f"{url}/session/{session['id']}/prompt_async", {"parts": [{"type": "text", "text": SCRIPT}]})
    rang = demo.line("rang: Fix the login")
    assert rang.split()[1:3] == ["iPhone", "rang:"]
    assert b"<html" in _get(page)
    [notification] = json.loads(_get(f"{page}control/devices/iPhone"))["device"]["notifications"]
    assert notification["title"] == "Fix the login"
    assert not [line for line in demo.lines if "mobilevoice" in line or "0 phone(s)" in line]
    assert demo.stop() == 0
    assert demo.line("Stopped.")
    assert opencode.stop() == 0


async def _has_rung_in_a_browser(url: str) -> None:
    async with browser() as chromium, opened(chromium, url.rstrip("/")) as page:
        await has_rung(page, "Fix the login")


def test_the_managed_service_of_opencode_2_is_found_and_rings_in_the_browser(start: Any) -> None:
    """Nothing is done between the start of the demo and the prompt, nor between the prompt and the alert."""
    opencode = start("opencode", "--generation", "2", "--managed", "--service-file", "--port", "0", "--password", "of-its-own")  # fmt: skip
    url = opencode.line("server listening on ").rpartition(" ")[2]
    opencode.line("registered in ")
    demo = start("demo", "--opencode", "--control-port", "0")
    page = demo.line("The page: ").split()[2]
    assert url in demo.line("Following OpenCode 2")
    demo.line("The iPhone is paired.")
    session = _post(f"{url}/api/session", TITLE)["data"]
    _post(f"{url}/api/session/{session['id']}/prompt", {"text": SCRIPT})
    assert demo.line("rang: Fix the login")
    asyncio.run(_has_rung_in_a_browser(page))
    assert demo.stop() == 0
    assert opencode.stop() == 0


def test_a_bridge_that_ends_ends_the_demo_with_its_last_words(start: Any, tmp_path: Path) -> None:
    demo = start("demo", "a_text", "--speed", "0.1", "--control-port", "0")
    demo.line("The page: ")
    children = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children").read_text().split()
    [bridge] = [child for child in children if b"bridge" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(int(bridge), signal.SIGKILL)
    assert demo.process.wait(PATIENCE) == 2
    assert demo.process.stderr is not None
    assert "simulator: bridge ended" in demo.process.stderr.read()


def test_a_terminal_that_is_closed_leaves_no_bridge_and_no_relay_behind(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    demo = subprocess.Popen(
        [*SIMULATOR, "demo", "a_text", "--speed", "0.1", "--control-port", "0"],
        stdin=end, stdout=end, stderr=end, cwd=tmp_path, start_new_session=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
    )  # fmt: skip
    os.close(end)
    shown = b""
    while b"Ctrl-C stops" not in shown:
        shown += os.read(terminal, 65536)
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
    os.close(terminal)
    demo.send_signal(signal.SIGHUP)
    demo.wait(PATIENCE)
    assert len(children) == 2
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_an_opencode_that_refuses_is_one_line_and_status_2(start: Any) -> None:
    port = _free_port()
    opencode = start("opencode", "--port", str(port), "--password", "of-its-own")
    opencode.line("http://")
    demo = start("demo", "--opencode", f"http://127.0.0.1:{port}", "--control-port", "0")
    assert demo.process.wait(PATIENCE) == 2
    assert demo.process.stderr is not None
    [line] = demo.process.stderr.read().splitlines()
    assert "OPENCODE_PASSWORD" in line
    assert "Traceback" not in line
