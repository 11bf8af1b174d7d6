"""`simulator` as people call it: exit status, one JSON object, one line for a fault, a clean end on Ctrl-C."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import scenario
from simulator.__main__ import main

SIMULATOR = [sys.executable, "-m", "simulator"]
HANGS_AFTER_SECONDS = 120.0
"""Nobody promises a time here: so long after its last sign a process counts as hanging, also where others keep the cores."""


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SIMULATOR, *arguments], capture_output=True, text=True, timeout=60, env=os.environ | environment
    )


def test_replay_prints_one_json_object_and_ends_with_0() -> None:
    done = _run("replay", "b_permission_once", "--speed", "20", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == [
        "scenario", "ok", "expectations", "relay_events", "pushes", "notifications", "activities",
        "latency_ms",
    ]  # fmt: skip
    assert result["ok"] is True
    assert [one["eventType"] for one in result["notifications"]] == ["permission", "complete"]
    (card,) = result["activities"]
    assert (card["phone"], card["how"], card["states"][-1]["status"]) == (
        "iPhone",
        "push-to-start",
        "complete",
    )
    assert card["started"] < card["ended"]


def test_replay_in_the_foreground_with_the_other_app_and_two_relays() -> None:
    done = _run(
        "replay", "b_permission_once", "--speed", "20", "--foreground", "--app", "expo-widgets", "--relays", "2",
        "--phone-profile", "lenient", "-v",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "card  Ship version 2.4, by app: working, permission, working, complete" in done.stdout
    assert "✓ every card of ses_" in done.stdout
    assert "✓ the phone showed 1 permission" in done.stdout
    assert re.match(
        r"b_permission_once: ok, (\d+) of \1 expectations held; \d+ ms from", done.stdout.splitlines()[-1]
    )


def test_a_replay_that_is_not_as_expected_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scenario of an abort with the recording of an error: the phone shows what nobody expects."""
    from dataclasses import replace

    wrong = replace(scenario.load("e_abort"), recording=scenario.load("c_error_400").recording)
    monkeypatch.setattr(scenario, "load", lambda _: wrong)
    assert main(["replay", "e_abort", "--speed", "20"]) == 1
    assert "✗ the phone showed 0 error, but it was 1" in capsys.readouterr().out


def test_a_recording_of_ones_own_is_played_and_nothing_is_expected_of_it(tmp_path: Path) -> None:
    recorded = Path(scenario.__file__).parent / "scenarios" / "recordings" / "b_permission_once.global.ndjson"
    mine = tmp_path / "mine.global.ndjson"
    mine.write_bytes(recorded.read_bytes())
    done = _run("replay", str(mine), "--speed", "20", COLUMNS="160")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rang  Action Needed: bash once: " in done.stdout
    assert len(done.stdout.splitlines()) == 4  # two alerts, a card, the verdict
    assert "mine: played; nothing was expected" in done.stdout.splitlines()[-1]


def test_a_recording_that_cannot_be_played_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"directory": "/d", "payload": {"type": "session.created", "properties": {"sessionID": "ses_1"}}}
    mine = tmp_path / "mine.global.ndjson"
    mine.write_text(json.dumps({"t": 0.1, "event": event}))
    for command in ("replay", "demo"):
        assert main([command, str(mine)]) == 2
        error = capsys.readouterr().err
        assert "event 1 (session.created) is not as OpenCode 1.18 sends it" in error
        assert error.count("\n") == 1


def test_the_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("a_text", "g_child_session", "m_slow_first_token"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "a_txt"], "did you mean a_text"),
        (["replay"], "simulator replay --list"),
        (["demo", "nope"], "no scenario is called 'nope'"),
        (["replay", "/none/mine.ndjson"], "/none/mine.ndjson cannot be read: No such file"),
        (["demo", "none.json"], "none.json cannot be read: No such file"),
    ],
)
def test_a_wrong_name_is_one_line_and_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("speed", ["0", "-1", "x", "1e9"])
def test_a_wrong_speed_is_refused(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", "a_text", "--speed", speed])
    assert ended.value.code == 2
    assert "--speed" in capsys.readouterr().err


def test_a_database_that_cannot_be_used_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = _run("replay", "a_text", "--database-url", f"sqlite://{tmp_path}/no/such/folder/relay.sqlite3")
    assert done.returncode == 2
    assert "cannot use the database" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_demo_prints_plain_lines_into_a_file() -> None:
    done = _run("demo", "c_error_401", "--once", "--speed", "20", "--control-port", "0")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.match(
        r"OpenCode, bridge, relay, APNs and an iPhone are up. The page: http://127.0.0.1:\d+/$", lines[0]
    )
    assert [
        line
        for line in lines
        if line.endswith("iPhone   rang: Error: Update the dependencies: Incorrect API key provided")
    ]
    assert not [line for line in lines if "mobilevoice" in line or "0 phone" in line or " 401" in line]
    assert lines[-1] == "Stopped."


def test_the_demo_says_every_hop_on_a_dumb_terminal_if_asked(tmp_path: Path) -> None:
    options = ("c_error_401", "--once", "--speed", "20", "--control-port", "0", "--verbose")
    with _on_a_terminal("demo", *options, TERM="dumb", COLUMNS="60") as (process, terminal):
        printed = _read_until(terminal, "Stopped.")
        assert process.wait(HANGS_AFTER_SECONDS) == 0
    assert "What happens" not in printed
    assert "\x1b" not in printed
    assert all(len(line) <= 60 for line in printed.splitlines() if re.match(r"[\d ]", line))
    for words in (
        "OpenCode session.error",
        "bridge   reports error",
        "relay    has error, and pushes to 1 phone(s)",
        "APNs     200",
    ):
        assert words in printed, printed


def test_the_demo_draws_on_a_terminal_and_stops_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    options = ("c_error_401", "--speed", "20", "--control-port", "0")
    with _on_a_terminal("demo", *options, TMPDIR=str(tmp_path)) as (process, terminal):
        printed = _read_until(terminal, "rang: Error: Update the dep")
        process.send_signal(signal.SIGINT)
        printed += _read_until(terminal, "Stopped.")
        assert process.wait(HANGS_AFTER_SECONDS) == 0
    assert "What happens" in printed
    assert "Ctrl-C stops" in printed
    assert "Traceback" not in printed
    assert not _processes_of(str(tmp_path)), "a process of the demo is still running"
    assert not list(tmp_path.iterdir()), "the demo's folder is still there"


@contextlib.contextmanager
def _on_a_terminal(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command with a terminal of 120x45, and the terminal's other end."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "120", "LINES": "45", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [*SIMULATOR, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | size | environment,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def _read_until(terminal: int, words: str) -> str:
    ends = time.monotonic() + HANGS_AFTER_SECONDS
    read = b""
    while words.encode() not in read:
        ready, _, _ = select.select([terminal], [], [], max(0.0, ends - time.monotonic()))
        assert ready, f"{words!r} did not appear; the end was {read[-2000:]!r}"
        try:
            read += os.read(terminal, 65536)
        except OSError as error:  # the terminal is gone: the process has ended
            raise AssertionError(f"it ended before {words!r}: {read[-2000:]!r}") from error
    return read.decode(errors="replace")


def _processes_of(folder: str) -> list[str]:
    """Command lines of running processes that name `folder`, as the parts of a world do."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(entry.read_bytes().decode(errors="replace"))
    return [line for line in lines if folder in line]
