"""`simulator apns` as people call it: up within a second, tokens that survive, one line for what is wrong, a clean end."""

import json
import re
import shlex
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulator.__main__ import main
from waiting import PATIENCE

SIMULATOR = [sys.executable, "-m", "simulator", "apns"]
ANY_PORT = ["--free-ports"]
ROOT = Path(__file__).parents[3]


class Running:
    """The command as a process, from the moment it has printed everything."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*SIMULATOR, *ANY_PORT, "--folder", str(folder / "apns"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        self.lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("From here on"):
                break
        self.started_after = time.monotonic() - began

    def next_line(self) -> str:
        """What it prints next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def row(self, name: str) -> str:
        """The value beside a name in the block."""
        found = (re.match(rf"\s+{name}\s\s+(.*)", line) for line in self.lines)
        return next(match[1] for match in found if match)

    def port(self, host: str) -> int:
        row = next(line for line in self.lines if line.endswith(f"instead of {host}"))
        return int(row.split()[0].rpartition(":")[2])

    def control(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self.row("Control") + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def _text(path: str) -> str:
    return Path(path).read_text()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Any]:
    """`run(*arguments)`: the command, started; what still runs is killed in the end."""
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=PATIENCE)


def test_the_python_example_of_the_documentation(run: Any, tmp_path: Path) -> None:
    sandbox = run()
    example = re.search(
        r"^```python\n(.*?)^```", (ROOT / "docs/sandbox.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert example
    code = _filled(example[1], sandbox).replace("apns-sandbox/", f"{tmp_path}/apns/")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    shown = sandbox.control("GET", "/devices/iPhone")["device"]["notifications"]
    assert [one["body"] for one in shown] == ["Hello"]


def _filled(example: str, sandbox: Running) -> str:
    """With what was printed in place of the words for it."""
    words = {
        "KEY_ID": sandbox.row("Key id"),
        "TEAM_ID": sandbox.row("Team id"),
        "TOKEN": sandbox.row("Token alert"),
        "2197": str(sandbox.port("api.sandbox.push.apple.com")),
    }
    for word, value in words.items():
        assert word in example
        example = example.replace(word, value)
    return example


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_lines_of_curl_work(run: Any) -> None:
    sandbox = run()
    push, condition = (shlex.split(line) for line in sandbox.lines if line.startswith("curl "))
    if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("this curl cannot speak HTTP/2")
    subprocess.run([*push, "--fail", "-s"], check=True, timeout=PATIENCE)
    shown = subprocess.run([*condition, "-s"], check=True, timeout=PATIENCE, capture_output=True, text=True)
    assert [one["title"] for one in json.loads(shown.stdout)["device"]["notifications"]] == ["Hello"]
    assert re.fullmatch(r'\d\d:\d\d:\d\d alert 200 shown "Hello"', sandbox.next_line())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_also_with_a_reader_of_events(run: Any, number: int) -> None:
    sandbox = run()
    with urllib.request.urlopen(sandbox.row("Control") + "/events", timeout=PATIENCE) as events:
        events.readline()
        assert sandbox.stop(number) == 0
    out, errors = sandbox.process.communicate()
    assert (out.strip(), errors) == ("Stopped.", "")


def test_tokens_keys_and_the_authority_survive_a_restart(run: Any, tmp_path: Path) -> None:
    first = run("--state", "state.json")
    first.control("POST", "/apps", {"bundle_id": "com.other"})
    added = first.control(
        "POST", "/devices", {"name": "iPad", "bundle_id": "com.other", "realm": "production"}
    )
    first.control("PATCH", "/profile", {"stream_limit": 7})
    authority = _text(first.row("CA file"))
    for path in (Path(first.row("Key file")), tmp_path / "state.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in "\n".join(first.lines)
    first.process.kill()  # nothing is left to the end
    first.process.wait(PATIENCE)

    second = run("--state", "state.json")
    for name in ("Token alert", "Token voip", "Token push-to-start", "Key id", "Team id"):
        assert second.row(name) == first.row(name)
    assert _text(second.row("CA file")) == authority
    assert second.control("GET", "/devices/iPad")["device"]["tokens"] == added["device"]["tokens"]
    assert second.control("GET", "/profile")["profile"]["stream_limit"] == 7


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_sink_takes_everything_and_shows_nothing(run: Any) -> None:
    sandbox = run("--sink")
    url = f"https://127.0.0.1:{sandbox.port('api.push.apple.com')}/3/device/anything"
    options = shlex.split("curl --http2 -s -d {} -w %{http_code} --cacert")
    command = [*options, sandbox.row("CA file"), url]
    assert subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout == "200"
    assert sandbox.control("GET", "/deliveries")["deliveries"] == []


def _json_start(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """The command with --json, and the object on its one line."""
    process = subprocess.Popen(
        [*SIMULATOR, *ANY_PORT, "--json", *arguments], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def test_for_programs_there_is_one_line_and_a_file_while_it_is_up(tmp_path: Path) -> None:
    """Key, ids and tokens are the same at every start; the certificate is good for the names that were asked for."""
    ready = tmp_path / "run" / "ready.json"
    options = (
        "--ready-file",
        str(ready),
        "--bundle-id",
        "com.mine",
        "--team-id",
        "TEAM123456",
        "--san",
        "apns.test",
    )
    process, said = _json_start(tmp_path, *options)
    try:
        assert json.loads(ready.read_text()) == said
        assert stat.S_IMODE(ready.stat().st_mode) == 0o600
        assert (said["topic"], said["team_id"], said["key_id"]) == ("com.mine", "TEAM123456", "SANDBOXKEY")
        assert "PRIVATE KEY" in _text(said["key_file"])
        assert said["pid"] == process.pid
        context = ssl.create_default_context(cafile=said["ca_file"])
        with (
            socket.create_connection((said["host"], said["ports"]["sandbox"]), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="apns.test"),
        ):
            pass
        with urllib.request.urlopen(said["control"], timeout=PATIENCE) as response:
            index = json.load(response)
        assert {name: index[name] for name in ("key_file", "key_id", "tokens")} == {
            name: said[name] for name in ("key_file", "key_id", "tokens")
        }
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest) == (0, "")
    assert not ready.exists()
    second, again = _json_start(tmp_path, "--host", "127.0.0.2")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=PATIENCE)
    assert second.returncode == 0
    assert again["host"] == "127.0.0.2"
    for name in ("key_id", "tokens"):
        assert again[name] == said[name]
    assert _text(again["key_file"]) == _text(said["key_file"])


# What is wrong.


def _fails(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> str:
    """The one line of a start that must fail."""
    assert main(["apns", *ANY_PORT, "--folder", str(folder), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    return line


@pytest.mark.parametrize(
    "option", ["--port", "--production-port", "--manage-port", "--manage-production-port", "--control-port"]
)
def test_a_port_that_is_taken_is_one_line(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = _fails(capsys, tmp_path, option, str(port))
    assert line.startswith("simulator: ")
    assert str(port) in line
    assert "in use" in line
    assert list(tmp_path.iterdir()) == []  # CA and key there belong to the sandbox that has the port


@pytest.mark.parametrize(
    ("option", "text", "wanted"),
    [
        ("--faults", None, "cannot be read"),
        ("--faults", "{", "no JSON list"),
        ("--faults", "{}", "no JSON list"),
        ("--faults", '[{"do": {"explode": true}}]', "explode"),
        ("--state", "{}", "no state of an APNs sandbox"),
        ("--folder", "", "given"),
        ("--ready-file", "", "given/ready.json cannot be written"),
    ],
)
def test_a_file_that_is_none_is_one_line(
    option: str, text: str | None, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    if text is not None:
        given.write_text(text)
    path = given / "ready.json" if option == "--ready-file" else given
    assert wanted in _fails(capsys, tmp_path, option, str(path))


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--team-id", "short", "ten capital letters and digits, like SANDBOXDEV, not 'short'"),
        ("--bundle-id", "no app", "--bundle-id is like com.example.app, not 'no app'"),
        ("--san", "not a name!", "--san and --host take host names and addresses"),
        ("--host", "192.0.2.1", "one of the ports of 192.0.2.1"),
    ],
)
def test_a_name_that_is_none_is_one_line(
    option: str, value: str, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert wanted in _fails(capsys, tmp_path, option, value)


@pytest.mark.parametrize(
    "arguments", [["--port", "x"], ["--port", "65536"], ["--clock", "slow"], ["--profile", "mild"]]
)
def test_options_that_are_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["apns", *arguments])
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err
