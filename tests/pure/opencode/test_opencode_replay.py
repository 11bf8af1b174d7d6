"""Recordings made ready to be played."""

import json

import pytest

from simulator.opencode.ids import renamed
from simulator.opencode.playing import Timing
from simulator.opencode.v1.replay import known_before, recorded_start_ms, replay, seeds, session_ids
from simulator.recording import Line, Recording
from simulator.scenario import load, scenarios


def recording(name: str) -> Recording:
    return load(name).recording


@pytest.mark.parametrize("name", scenarios())
def test_the_first_play_without_retiming_is_the_recording(name: str) -> None:
    ready = replay(recording(name), 0, 1.0)
    lines = [json.loads(cue.due.global_line.removeprefix(b"data: ")) for cue in ready.cues]
    assert lines == [line.event for line in recording(name).events]
    assert [cue.at for cue in ready.cues] == [line.t for line in recording(name).events]


def test_speed_brings_everything_nearer() -> None:
    slow, fast = (replay(recording("i_sigkill_while_streaming"), 0, speed) for speed in (1.0, 10.0))
    assert [cue.at for cue in fast.cues] == pytest.approx([cue.at / 10 for cue in slow.cues])
    assert fast.killed_at == pytest.approx(0.1554)


@pytest.mark.parametrize("speed", [0, -1.0])
def test_no_other_speed_is_possible(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        replay(recording("a_text"), 0, speed)


@pytest.mark.parametrize("name", scenarios())
def test_a_later_play_is_the_recording_under_other_ids(name: str) -> None:
    first, later = (replay(recording(name), play, 1.0) for play in (0, 4))
    for one, other in zip(first.cues, later.cues, strict=True):
        assert renamed(one.due.global_line.decode(), 4) == other.due.global_line.decode()
        assert other.due.payload["id"] == renamed(one.due.payload["id"], 4)
    assert later.sessions == {session_id: renamed(session_id, 4) for session_id in first.sessions}
    assert all(session_id == played for session_id, played in first.sessions.items())


def test_a_timing_moves_times_and_divides_distances() -> None:
    timing = Timing(recorded_ms=1000.0, played_ms=50_000.0, speed=10.0)
    assert timing.move(1000) == 50_000
    assert timing.move(4000) == 50_300
    assert timing.move(0) == 49_900


@pytest.mark.parametrize("name", scenarios())
def test_the_start_of_a_recording_fits_all_its_creations(name: str) -> None:
    """Events tell of what was created a few milliseconds before."""
    start = recorded_start_ms(recording(name))
    late = 60 if recording(name).actions else 250  # those of the stream alone are of a busier machine
    for line in recording(name).events:
        payload = line.event["payload"]
        if payload["type"] == "session.created":
            assert payload["properties"]["info"]["time"]["created"] - start == pytest.approx(
                line.t * 1000, abs=late
            )


def test_a_recording_without_any_time_has_no_start() -> None:
    event = {"directory": "/d", "payload": {"type": "plugin.added", "properties": {"id": "x"}}}
    with pytest.raises(ValueError, match="empty holds no time"):
        recorded_start_ms(Recording("empty", (Line(0.1, event),), ()))


def test_times_are_those_of_the_play() -> None:
    now_ms = 1_900_000_000_000
    ready = replay(recording("a_text"), 0, 1.0, now_ms)
    created = next(cue for cue in ready.cues if cue.due.payload["type"] == "session.created")
    time = created.due.payload["properties"]["info"]["time"]
    assert time["created"] - now_ms == pytest.approx(created.at * 1000, abs=200)


def test_the_next_try_is_as_far_away_as_it_will_take() -> None:
    """A retry tells when it will happen: three seconds on, so 300 ms when played ten times as fast."""
    ready = replay(recording("d_retry_429_retry_after"), 0, 10.0, 1_900_000_000_000)
    statuses = [
        (cue.at, cue.due.payload["properties"]["status"])
        for cue in ready.cues
        if cue.due.payload["type"] == "session.status"
    ]
    retry_at, retry = next((at, status) for at, status in statuses if status["type"] == "retry")
    again_at = next(at for at, status in statuses if at > retry_at and status["type"] == "busy")
    assert retry["next"] - 1_900_000_000_000 == pytest.approx(again_at * 1000, abs=20)


def test_only_times_are_moved() -> None:
    before, after = (replay(recording("a_text"), 0, 1.0, started) for started in (None, 1_900_000_000_000))
    for one, other in zip(before.cues, after.cues, strict=True):
        kept = one.due.payload.get("properties", {}).get("info", {}).get("tokens")
        assert other.due.payload.get("properties", {}).get("info", {}).get("tokens") == kept
        assert other.due.payload["type"] == one.due.payload["type"]


@pytest.mark.parametrize("name", [name for name in scenarios() if name != "i_after_restart"])
def test_most_recordings_create_the_sessions_they_show(name: str) -> None:
    assert known_before(recording(name)) == []
    assert seeds(recording(name), 0, 1.0) == []


def test_a_restarted_server_knows_its_session_from_before() -> None:
    (seed,) = known_before(recording("i_after_restart"))
    assert seed.session["title"] == "pending at kill"
    assert [message["info"]["role"] for message in seed.messages] == ["user", "assistant"]
    assert "completed" not in seed.messages[-1]["info"]["time"]
    assert session_ids(recording("i_after_restart")) == [seed.session["id"]]


def test_seeds_are_renamed_and_retimed_like_events() -> None:
    (recorded,) = known_before(recording("i_after_restart"))
    (seed,) = seeds(recording("i_after_restart"), 2, 1.0, 1_900_000_000_000)
    assert seed.session["id"] == renamed(recorded.session["id"], 2)
    assert seed.messages[0]["info"]["id"] == renamed(recorded.messages[0]["info"]["id"], 2)
    assert 1_899_999_900_000 < seed.session["time"]["created"] < 1_900_000_000_000
