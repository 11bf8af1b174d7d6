"""Scripted turns against recordings: what a person did in the recording is done again to the scripted server, and the same
events must follow in the same order. Identifiers, texts and the number of words may differ.

Two races of the real server are set aside: the summary of changes runs beside the turn and is compared by itself, and a tool
is sent running shortly before or after its permission is asked.
"""

import json

import pytest

from simulator.recording import Recording
from simulator.scenario import load, scenarios

D = "/code/demo"


RECORDINGS = [
    name
    for name in scenarios()
    if load(name).recording.actions and load(name).recording.killed_at is None and name != "i_after_restart"
]


class Person:
    """Does to a scripted server what was done in a recording."""

    def __init__(self, scripted) -> None:
        self._scripted = scripted
        self._sessions: dict[str, dict] = {}

    async def do(self, recording: Recording) -> None:
        done_at = 0.0
        for action in recording.actions:
            if action.method == "POST" and action.status < 300:
                await self._scripted.clock.advance(max(0.0, action.sent_t - done_at))
                done_at = max(done_at, action.sent_t)
                await self._act(action, action.target.partition("?")[0].split("/")[1:])
        await self._scripted.clock.advance(90.0)

    async def _act(self, action, path: list[str]) -> None:
        api, state = self._scripted.api, self._scripted.state
        match path:
            case ["session"]:
                self._sessions[action.response["id"]] = api.create(D, action.body)
            case ["session", session_id, "prompt_async"]:
                await self._until_idle(self._sessions[session_id]["id"])
                api.prompt(self._sessions[session_id], with_refusal(action.body))
            case ["session", session_id, "abort"]:
                api.abort(self._sessions[session_id]["id"], D)
            case ["permission", _, "reply"]:
                (request_id,) = await self._scripted.asked("permissions")
                api.permission(state.permissions[request_id], action.body["reply"], None)
            case ["question", _, what]:
                (request_id,) = await self._scripted.asked("questions")
                answers = action.body["answers"] if what == "reply" else None
                api.question(state.questions[request_id], answers)
            case _:
                raise AssertionError(f"a request that nobody repeats: {path}")

    async def _until_idle(self, session_id: str) -> None:
        while session_id in self._scripted.state.statuses:
            await self._scripted.clock.advance(0.01)


def with_refusal(body: dict) -> dict:
    """The recorded person chose a provider where nobody listens; here the prompt says so."""
    if body.get("model", {}).get("providerID") != "dead":
        return body
    return {"parts": [{"type": "text", "text": '@@[{"op": "refuse"}]'}]}


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


def strand_of(payload: dict) -> str:
    """The session's changes, and the message that gets them, are sent beside the turn, each in its own time."""
    info = payload.get("properties", {}).get("info", {})
    counted = "summary" in info and info.get("role") != "assistant"
    if payload["type"] == "session.diff" or (counted and "role" not in info):
        return "changes"
    return "message" if counted else "turn"


def strands(payloads: list[dict]) -> dict[tuple[str, str], list[str]]:
    """The labels by session (in order of appearance) and strand; of repeated ones of a turn (running tools) only the first."""
    found: dict[tuple[str, str], list[str]] = {}
    for payload in payloads:
        if payload["type"].startswith(NOISE) or payload["type"] == "message.part.delta":
            continue
        strand = found.setdefault((payload["properties"].get("sessionID", ""), strand_of(payload)), [])
        if not strand or strand[-1] != label(payload) or strand_of(payload) != "turn":
            strand.append(label(payload))
    return found


def sequences(payloads: list[dict]) -> list[list[str]]:
    return [settled(strand) for strand in strands(payloads).values()]


def settled(strand: list[str]) -> list[str]:
    """With the permission always after the running tool."""
    for index in range(len(strand) - 1):
        if strand[index].startswith(("permission.asked", "question.asked")) and strand[index + 1].endswith(
            "running"
        ):
            strand[index : index + 2] = [strand[index + 1], strand[index]]
    return strand


def fields_by_label(payloads: list[dict]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for payload in payloads:
        found.setdefault(label(payload), set()).update(fields(payload))
    return found


FREE = ("responseHeaders", "input", "content-length")
"""Objects whose fields are the provider's or the model's, not OpenCode's."""


def fields(value, path: str = "") -> set[str]:
    if isinstance(value, list):
        return set().union(*(fields(one, f"{path}[]") for one in value)) if value else set()
    if not isinstance(value, dict) or path.endswith(FREE):
        return {path}
    return set().union({path}, *(fields(one, f"{path}.{key}") for key, one in value.items()))


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_scripted_turn_is_the_recorded_one(scripted, name: str) -> None:
    """The same events in the same order; and every kind of event has the same fields, at any depth."""
    recording = load(name).recording
    await Person(scripted).do(recording)
    recorded = [line.event["payload"] for line in recording.events]
    assert sorted(sequences(scripted.sent)) == sorted(sequences(recorded))
    mine = fields_by_label([json.loads(line.removeprefix(b"data: "))["payload"] for line in scripted.lines])
    theirs = fields_by_label(recorded)
    assert {kind: fields for kind, fields in mine.items() if kind in theirs} == theirs
