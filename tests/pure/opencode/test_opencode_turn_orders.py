"""Scripted turns against recordings: what a person did in the recording is done again to the scripted server, and the same
events must follow in the same order. Identifiers, texts and the number of words may differ.

Two races of the real server are set aside: the summary of changes runs beside the turn and is compared by itself, and a tool
is told running shortly before or after its permission is asked.
"""

import random

import pytest

from simulator.clock import VirtualClock
from simulator.journal import Journal
from simulator.opencode.agent import Agent, Reaction
from simulator.opencode.answers import new_session
from simulator.opencode.beat import Reply
from simulator.opencode.process import Process
from simulator.opencode.script import Script, parse
from simulator.scenario import Recording, load

D = "/code/demo"
RECORDINGS = [
    "a_reason",
    "a_text",
    "b_permission_always",
    "b_permission_edit",
    "b_permission_external_directory",
    "b_permission_once",
    "b_permission_reject",
    "b_permission_then_abort",
    "b_permission_webfetch",
    "c_error_400",
    "c_error_401",
    "c_error_content_filter",
    "c_error_context_overflow",
    "c_error_cut",
    "c_finish_length",
    "d_retry_429_retry_after",
    "d_retry_503_backoff",
    "d_retry_connection_refused",
    "e_abort",
    "e_abort_in_tool",
    "f_two_sessions",
    "g_child_session",
    "h_question",
    "h_question_reject",
    "m_slow_first_token",
]


def model(prompt: str) -> Reaction:
    return Reaction(parse(prompt) or Script(), "Title0 Title1 Title2")


class Played:
    """A scripted server without a socket, all that it told, and a person who does what the recorded one did."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        journal = Journal(self.clock)
        source = random.Random(1)
        self.process = Process(self.clock, journal, directory=D, deaf_window=0.0, source=source)
        self.agent = Agent(self.process, model, source)
        self.payloads: list[dict] = []
        self.process.streams.send = lambda frames: self.payloads.extend(one.payload for one in frames)
        self._sessions: dict[str, str] = {}

    async def do(self, recording: Recording) -> None:
        actions = [one for one in recording.actions if one.method == "POST" and one.status < 300]
        done_at = 0.0
        for action in actions:
            await self.clock.advance(max(0.0, action.sent_t - done_at))
            done_at = max(done_at, action.sent_t)
            await self._act(action, action.target.partition("?")[0].split("/")[1:])
        await self.clock.advance(90.0)

    async def _act(self, action, path: list[str]) -> None:
        match path:
            case ["session"]:
                body = action.body
                info, answer = new_session(self.process.ids, D, "project", body, self.process.now_ms())
                self.process.act(D, answer)
                self._sessions[action.response["id"]] = info["id"]
            case ["session", session_id, "prompt_async"]:
                await self._until_idle(self._sessions[session_id])
                self.agent.prompt(self._sessions[session_id], with_refusal(action.body))
            case ["session", session_id, "abort"]:
                if not self.agent.abort(self._sessions[session_id]):
                    self.process.act(D, idle_again(self.process, self._sessions[session_id]))
            case ["permission", _, "reply"]:
                (request_id,) = await self._asked("permissions")
                assert self.agent.reply(Reply(request_id, action.body["reply"]))
            case ["question", _, what]:
                (request_id,) = await self._asked("questions")
                answers = action.body["answers"] if what == "reply" else None
                assert self.agent.reply(Reply(request_id, answers=answers))
            case _:
                raise AssertionError(f"a request that nobody repeats: {path}")

    async def _asked(self, table: str) -> list[str]:
        for _ in range(1000):
            if waiting := list(getattr(self.process.state, table)):
                return waiting
            await self.clock.advance(0.01)
        raise AssertionError("nothing was asked")

    async def _until_idle(self, session_id: str) -> None:
        while session_id in self.process.state.statuses:
            await self.clock.advance(0.01)


def with_refusal(body: dict) -> dict:
    """The recorded person chose a provider where nobody listens; here the prompt says so."""
    if body.get("model", {}).get("providerID") != "dead":
        return body
    return {"parts": [{"type": "text", "text": '@@[{"op": "refuse"}]'}]}


def idle_again(process: Process, session_id: str):
    from simulator.opencode.answers import abort

    return abort(process.state, session_id)


def label(payload: dict) -> str:
    """What an event says, without identifiers, times and texts."""
    kind, properties = payload["type"], payload.get("properties", {})
    describe = DESCRIBED.get(kind, lambda _: "")
    return f"{kind} {describe(properties)}".strip()


def _message(properties: dict) -> str:
    info = properties["info"]
    error = info.get("error", {}).get("name", "")
    said = [info["role"], info.get("mode", ""), info.get("finish", ""), error]
    return " ".join([*said, "completed" if "completed" in info["time"] else ""])


def _part(properties: dict) -> str:
    part = properties["part"]
    ended = "ended" if part.get("time", {}).get("end") else ""
    return " ".join(
        [
            part["type"],
            part.get("tool", ""),
            part.get("state", {}).get("status", ""),
            part.get("reason", ""),
            ended,
        ]
    )


DESCRIBED = {
    "message.updated": _message,
    "message.part.updated": _part,
    "session.status": lambda one: f"{one['status']['type']} {one['status'].get('attempt', '')}",
    "session.error": lambda one: one["error"]["name"],
    "permission.asked": lambda one: one["permission"],
    "permission.replied": lambda one: one["reply"],
}
NOISE = ("plugin.", "catalog.", "reference.", "integration.", "project.", "sync", "server.")


def lane_of(payload: dict) -> str:
    """The session's changes, and the message that gets them, are told beside the turn, each in its own time."""
    info = payload.get("properties", {}).get("info", {})
    counted = "summary" in info and info.get("role") != "assistant"
    if payload["type"] == "session.diff" or (counted and "role" not in info):
        return "changes"
    return "message" if counted else "turn"


def lanes(payloads: list[dict]) -> dict[tuple[str, str], list[str]]:
    """The labels by session (in order of appearance) and lane; of repeated ones of a turn (running tools) only the first."""
    found: dict[tuple[str, str], list[str]] = {}
    for payload in payloads:
        if payload["type"].startswith(NOISE) or payload["type"] == "message.part.delta":
            continue
        lane = found.setdefault((payload["properties"].get("sessionID", ""), lane_of(payload)), [])
        if not lane or lane[-1] != label(payload) or lane_of(payload) != "turn":
            lane.append(label(payload))
    return found


def orders(payloads: list[dict]) -> list[list[str]]:
    return [settled(lane) for lane in lanes(payloads).values()]


def settled(lane: list[str]) -> list[str]:
    """With the permission always after the running tool."""
    for index in range(len(lane) - 1):
        if lane[index].startswith(("permission.asked", "question.asked")) and lane[index + 1].endswith(
            "running"
        ):
            lane[index : index + 2] = [lane[index + 1], lane[index]]
    return lane


@pytest.mark.parametrize("name", RECORDINGS)
async def test_the_order_is_the_recorded_one(name: str) -> None:
    recording = load(name).recording
    played = Played()
    await played.do(recording)
    expected = sorted(orders([line.event["payload"] for line in recording.events]))
    assert sorted(orders(played.payloads)) == expected
