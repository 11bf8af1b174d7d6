"""`simulator push`: what a person pushes arrives, and what did not is explained; the exit status says which."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.__main__ import main
from simulator.lab import ApnsSandbox


@pytest.fixture(scope="session")
def apns_options() -> dict[str, Any]:
    """Of the plugin's `apns_server`, which all tests of this file push to."""
    return {"control_port": 0}


@pytest.fixture
def ready_file(apns_server: ApnsSandbox, tmp_path: Path) -> Path:
    file = tmp_path / "ready.json"
    file.write_text(json.dumps(apns_server.details))
    return file


@pytest.fixture
def push(ready_file: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """`push(*arguments)`: exit status and the lines that were printed."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        status = main(["push", f"--ready-file={ready_file}", *arguments])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_an_alert_is_shown_and_the_status_is_0(push: Any) -> None:
    status, (answer, shown) = push("--title", "Fix the login", "--body", "All 214 tests pass.")
    assert status == 0
    assert answer.startswith("APNs    200 accepted, apns-id ")
    assert shown == 'iPhone  shown "Fix the login"'


def test_a_file_of_xcode_goes_to_the_app_that_it_names(push: Any, tmp_path: Path) -> None:
    file = tmp_path / "alert.apns"
    file.write_text(
        json.dumps({"Simulator Target Bundle": "com.example.app", "aps": {"alert": "From Xcode"}})
    )
    assert push(str(file))[1][1] == 'iPhone  shown "From Xcode"'
    file.write_text(json.dumps({"Simulator Target Bundle": "com.other", "aps": {"alert": "From Xcode"}}))
    status, printed = push(str(file))
    assert status == 1
    assert printed == [
        printed[0],
        "        no app here has the topic 'com.other'",
        "        (Apple: Handling notification responses from APNs; documented)",
    ]
    assert printed[0].startswith("APNs    400 TopicDisallowed, apns-id ")


def test_a_card_starts_changes_and_ends(push: Any) -> None:
    said = [
        push("--card", "start", "--title", "Fix the login", "--body", "Reading the tests"),
        push("--card", "update", "--body", "Running the tests"),
        push("--card", "update", "--status", "permission"),
        push("--card", "end"),
    ]
    assert [status for status, _ in said] == [0, 0, 0, 0]
    assert [lines[1] for _, lines in said] == [
        'iPhone  card started "Fix the login" working',
        'iPhone  card updated "Fix the login" working',
        'iPhone  card updated "Fix the login" permission',
        'iPhone  card ended "Fix the login" complete',
    ]


def test_what_was_dropped_has_apples_rule_beside_it(push: Any, tmp_path: Path) -> None:
    file = tmp_path / "start.apns"
    file.write_text(json.dumps({"aps": {"event": "start", "timestamp": 1}}))
    status, printed = push(str(file))
    assert status == 1
    assert printed[1:] == [
        "iPhone  dropped: no alert",
        "        A start must have aps.alert with title and body; without it the device starts nothing and tells nobody.",
        "        (Apple: Starting and updating Live Activities with ActivityKit push notifications; documented)",
    ]  # fmt: skip


def test_for_programs_it_is_one_object(push: Any) -> None:
    status, [line] = push("--title", "x", "--token", "ab" * 32, "--json")
    said = json.loads(line)
    assert status == 1
    assert (said["ok"], said["status"], said["reason"], said["became"]) == (False, 400, "BadDeviceToken", [])
    assert said["why"]["short"] == "the device token is unknown in sandbox: no app here was given it"
    status, [line] = push(
        "--title", "x", "--collapse-id", "c", "--expiration", "0", "--priority", "5", "--json"
    )
    assert status == 0
    assert [one["text"] for one in json.loads(line)["became"]] == ["sent", 'shown "x"']


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "what is to be pushed?"),
        (["--card", "update"], "no card runs on the phone: start one with --card start"),
        (["--title", "x", "--device", "iPad"], "there is no device 'iPad'"),
        (["none.apns"], "none.apns cannot be read: No such file"),
        (["--title", "x", "--ready-file", "none.json"], "no sandbox is ready that writes it"),
        (["--title", "x", "--push-type", "widgets"], "has no token of the kind widgets"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_2(
    push: Any, arguments: list[str], words: str, ready_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", f"--ready-file={ready_file}", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def test_without_a_sandbox_it_says_how_to_start_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["push", "--title", "x", "--control", "http://127.0.0.1:1/control"]) == 2
    assert "start `simulator apns`, or name yours" in capsys.readouterr().err
    assert main(["push", "--title", "x", "--ready-file", __file__]) == 2
    assert "is no ready file of `simulator apns`" in capsys.readouterr().err
    for text, words in (("[]", "no payload"), ("{", "no JSON")):
        (tmp_path / "x.apns").write_text(text)
        assert main(["push", str(tmp_path / "x.apns")]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["push", "--content-state", "[]"])
    assert ended.value.code == 2
    assert "'[]' is no JSON object" in capsys.readouterr().err
