"""Every recording with a piece of its stream missing: what still holds is reported, once, and nothing else is.

The server's answers after the gap are those of the simulator's own reading of OpenCode.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import pytest

from relay.bridge.notify.source import Change
from relay.bridge.sources.opencode1.catch_up import CatchUp, Snapshot, ending
from relay.bridge.sources.opencode1.fold import Sessions
from relay.bridge.sources.opencode1.resync import RECHECK_SECONDS, SNAPSHOT_DELAY
from relay.bridge.sources.opencode1.runs import Runs
from relay.bridge.sources.opencode1.wire import Event, Info, PendingRequest, RetryStatus, SessionMessage
from relay.bridge.state_file import OpenRuns
from relay.contract import Event as Sent
from simulator.opencode.v1.replay import recorded_start_ms
from simulator.opencode.v1.state import State
from simulator.recording import Line, Recording
from simulator.scenario import load, scenarios

RINGS = ("complete", "error", "asked")
DEAF_SECONDS = 0.06
"""So long after server.connected a busy OpenCode 1.18 was seen to lose events."""
GAPS = 40
"""For each recording, and as many restarts of the bridge."""

Subject = tuple[str, str, str]


def parsed(line: Line) -> Event | None:
    payload = line.event["payload"]
    if payload["type"] == "sync":
        return None
    return Event(
        type=payload["type"], id=payload["id"], properties=msgspec.Raw(msgspec.json.encode(payload["properties"]))
    )  # fmt: skip


@dataclass
class Bridge:
    """The pure half of a bridge and the server that it watches; `rung` is what rang."""

    recording: Recording
    rung: list[Subject] = field(default_factory=list)
    server: State = field(default_factory=State)
    position: int = 0
    deaf: bool = False

    def __post_init__(self) -> None:
        self.open_runs = OpenRuns()
        self.begin()

    def begin(self) -> None:
        """A new process: all that it knows is which runs are open."""
        self.runs = Runs()
        self.sessions, self.catch_up = Sessions(self.runs), CatchUp(self.runs)
        self.catch_up.restore(self.open_runs.ids())

    def play_until(self, t: float) -> None:
        """Let the server do all that it did before `t` (seconds of the recording)."""
        while self.position < len(self.recording.events) and self.recording.events[self.position].t < t:
            line = self.recording.events[self.position]
            self.position += 1
            self.server.fold(line.event.get("directory", ""), line.event["payload"])
            event = parsed(line)
            if event is not None and not self.deaf:
                self.act(self.sessions.fold(event))

    def act(self, changes: list[Change]) -> None:
        for change in changes:
            if change.kind == "unknown":
                info = self.server.sessions.get(change.session_id)
                known = msgspec.convert(info, Info) if info else None
                self.act(self.sessions.learn(change.session_id, known))
            elif change.kind in RINGS:
                self.rung.append((change.kind, change.session_id, change.subject_id))
            if change.kind == "started":
                self.open_runs.begin(change.session_id)
            elif change.kind in ("complete", "error", "stopped", "interrupted"):
                self.open_runs.end(change.session_id, "end")
                self.open_runs.done(
                    Sent(
                        secret="s" * 16,
                        event_type="complete",
                        session_id=change.session_id,
                        event_id="end",
                    )
                )

    def reconnect(self, t: float, since: float) -> None:
        """The stream is back at `t`; some time later the server is asked, and answers by what it knows then."""
        self.sessions.fold(Event(type="server.connected"))
        self.play_until(t + DEAF_SECONDS)
        self.deaf = False
        self.play_until(t + SNAPSHOT_DELAY)
        since_ms = recorded_start_ms(self.recording) + since * 1000
        for session_id in self.catch_up.unplaced():
            self.place(session_id)
        mark, snapshot = self.catch_up.mark(), self.snapshot()
        for session_id in self.catch_up.strangers(snapshot):
            self.place(session_id)
        changes, ended = self.catch_up.resync(snapshot, mark)
        self.act(changes)
        for session_id in self.catch_up.running():
            self.catch_up.note(session_id, self.newest(session_id))
        ended += [
            one for one, info in self.server.sessions.items() if self.missed(one, info, since_ms, ended)
        ]
        for session_id in ended:
            self.read_reply(t + SNAPSHOT_DELAY, session_id, mark, since_ms)

    def place(self, session_id: str) -> None:
        """Whose subagent it is, and where; nothing of one that was deleted."""
        info = self.server.sessions.get(session_id)
        known = None if info is None else msgspec.convert(info, Info)
        self.act(self.sessions.learn(session_id, known) if known else self.sessions.forget(session_id))

    def missed(self, session_id: str, info: dict[str, object], since_ms: float, ended: list[str]) -> bool:
        times = info["time"]
        assert isinstance(times, dict)
        new = times["updated"] >= since_ms and session_id not in ended
        return new and session_id not in self.server.statuses and "parentID" not in info

    def read_reply(self, t: float, session_id: str, mark: int, since_ms: float) -> None:
        self.place(session_id)
        if ending(self.newest(session_id)) == "interrupted":
            self.play_until(t + RECHECK_SECONDS)
        self.act(self.catch_up.ended(session_id, self.newest(session_id), mark, since_ms))

    def newest(self, session_id: str) -> SessionMessage | None:
        messages = self.server.message_list(session_id, 1)
        return (
            msgspec.json.decode(msgspec.json.encode(messages[0]), type=SessionMessage) if messages else None
        )

    def snapshot(self) -> Snapshot:
        waiting = [*self.server.permissions.values(), *self.server.questions.values()]
        return Snapshot(
            frozenset(info["directory"] for info in self.server.sessions.values()),
            {one: msgspec.convert(status, RetryStatus) for one, status in self.server.statuses.items()},
            [msgspec.convert(one.request, PendingRequest) for one in waiting],
        )


def with_gap(recording: Recording, start: float, end: float, *, restart: bool) -> Bridge:
    """All of the recording but what was sent from `start` to `end`; with `restart` to a new bridge after that."""
    bridge = Bridge(recording)
    bridge.play_until(start)
    bridge.deaf = True
    bridge.play_until(end)
    if restart:
        bridge.begin()
    bridge.reconnect(end, start)
    bridge.play_until(float("inf"))
    return bridge


def excused(recording: Recording, subject: Subject, start: float, end: float) -> bool:
    """Whether a subject did not hold any more when the server was asked."""
    kind, session_id, _ = subject
    asked_until = end + SNAPSHOT_DELAY + RECHECK_SECONDS
    if kind == "asked":
        ends = ("permission.replied", "question.replied", "question.rejected", "session.idle")
    else:
        ends = ("session.status",)  # a new run: the end of the one before is of no interest
    return any(
        line.event["payload"]["type"] in ends
        and (kind == "asked" or line.event["payload"]["properties"].get("status") == {"type": "busy"})
        and (kind == "asked" or line.event["payload"]["properties"]["sessionID"] == session_id)
        for line in recording.events
        if start <= line.t < asked_until
    )


def kind_of(subject: Subject) -> tuple[str, str]:
    """What a person notices of a subject."""
    return subject[:2]


NOT_WITH_GAPS = {
    "error_without_idle": "the server keeps nothing of an error outside of a run",
    "bg_subagents": "that a subagent was sent to the background may be in the gap, and nobody says it again",
}
"""Recordings in which the server cannot say after a gap what was in it, and why."""


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("name", [name for name in scenarios() if name not in NOT_WITH_GAPS])
def test_a_gap_loses_nothing_that_holds_and_repeats_nothing(name: str, restart: bool) -> None:
    recording = load(name).recording
    whole = Bridge(recording)
    whole.play_until(float("inf"))
    source = random.Random(f"{name} {restart}")
    for _ in range(GAPS):
        start, end = sorted(source.uniform(0, recording.events[-1].t + 0.5) for _ in range(2))
        if source.random() < 0.5:
            end = min(end, start + source.uniform(0.01, 0.4))  # short ones are the tricky ones
        bridge = with_gap(recording, start, end, restart=restart)
        where = f"{name}: {start:.3f} to {end:.3f}"
        if (
            not restart
        ):  # the relay rings once for one subject, but the same bridge does not even send it twice
            assert len(set(bridge.rung)) == len(bridge.rung), where
        rung, expected = Counter(map(kind_of, set(bridge.rung))), Counter(map(kind_of, whole.rung))
        assert rung <= expected, where
        lost = [subject for subject in whole.rung if rung[kind_of(subject)] < expected[kind_of(subject)]]
        assert [subject for subject in lost if not excused(recording, subject, start, end)] == [], where


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("start", "end"), [(5.134, 5.148), (3.068, 3.312), (4.349, 21.916)])
def test_after_a_gap_a_session_is_done_with_the_last_of_its_background_subagents(
    start: float, end: float, restart: bool
) -> None:
    """The server says that the root is idle, and its subagent is not."""
    bridge = with_gap(load("bg_subagents").recording, start, end, restart=restart)
    rung = Counter(kind for kind, session_id, _ in set(bridge.rung) if session_id.endswith("YlsLTd"))
    assert rung == {"complete": 1, "asked": 1}
    assert (
        sum(kind == "complete" for kind, session_id, _ in bridge.rung if session_id.endswith("wYaKqp")) <= 1
    )
