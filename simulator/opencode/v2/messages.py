"""The transcript of a session, folded from its events: messages as GET /api/session/:id/message spells them. No I/O.

A text that streams is empty until its part ends: deltas are broadcast and never stored.
"""

import copy
from collections.abc import Callable

from simulator.opencode.script import Json

Transcript = dict[str, Json]
"""Messages by their ids, oldest first."""


def fold(transcript: Transcript, event: Json) -> None:
    """Take in one event of a session; types that leave no trace in the transcript are ignored."""
    folding = FOLDINGS.get(event["type"])
    if folding is not None:
        folding(transcript, event)


def own_id(event: Json) -> str:
    """The id of a message that an event itself makes: its suffix is the event's."""
    return "msg_" + str(event["id"]).partition("_")[2]


def until(transcript: Transcript, boundary: Json) -> list[Json]:
    """Copies of the messages before a message, or through it, oldest first."""
    known = list(transcript)
    end = known.index(boundary["messageID"]) if boundary["messageID"] in known else len(known)
    return copy.deepcopy(list(transcript.values())[: end + (boundary["type"] == "through")])


def delivered(transcript: Transcript, item: Json, event: Json) -> None:
    """What waited in the inbox becomes a message, with the id that it had there."""
    if item["type"] in ("user", "synthetic"):
        said = {**item["payload"], "type": item["type"]}
        transcript[item["id"]] = {"id": item["id"], "time": {"created": event["created"]}, **said}


def ended(transcript: Transcript, event: Json, outcome: str) -> None:
    """The mark that a turn ended, which a stop of the server does not leave."""
    error = event["data"].get("error")
    transcript[own_id(event)] = {
        "id": own_id(event),
        "time": {"created": event["created"]},
        "type": "idle",
        "outcome": outcome,
        **({} if error is None else {"error": error}),
    }


def _assistant(transcript: Transcript, event: Json) -> Json | None:
    return transcript.get(event["data"].get("assistantMessageID", ""))


def _step_started(transcript: Transcript, event: Json) -> None:
    """A retry goes on in the message that it began in."""
    data = event["data"]
    message_id = data["assistantMessageID"]
    snapshot = {"snapshot": {"start": data["snapshot"]}} if "snapshot" in data else {}
    known = transcript.get(message_id)
    if known is not None:
        known.pop("retry", None)
        return
    transcript[message_id] = {
        "id": message_id,
        "time": {"created": event["created"]},
        "type": "assistant",
        "agent": data.get("agent", "build"),
        "model": data.get("model", {}),
        "content": [],
        **snapshot,
    }


def _step_streamed(transcript: Transcript, event: Json) -> None:
    if (message := _assistant(transcript, event)) is not None:
        message["time"] = {**message["time"], "streamed": event["created"]}


_KEPT = "finish", "rawFinish", "cost", "tokens", "error"


def _step_over(transcript: Transcript, event: Json) -> None:
    if (message := _assistant(transcript, event)) is None:
        return
    data = event["data"]
    message["time"] = {**message["time"], "completed": event["created"]}
    message.pop("retry", None)
    failed = {"finish": "error"} if "error" in data else {}
    message.update({**failed, **{key: data[key] for key in _KEPT if key in data}})
    if "snapshot" in data:
        end = {"end": data["snapshot"], "files": data.get("files", [])}
        message["snapshot"] = {**message.get("snapshot", {}), **end}


def _retry(transcript: Transcript, event: Json) -> None:
    if (message := _assistant(transcript, event)) is not None:
        message["retry"] = {key: event["data"][key] for key in ("attempt", "at", "error")}


def _part_started(kind: str) -> Callable[[Transcript, Json], None]:
    def fold(transcript: Transcript, event: Json) -> None:
        if (message := _assistant(transcript, event)) is not None:
            timed = {"time": {"created": event["created"]}} if kind == "reasoning" else {}
            message["content"].append({"type": kind, "text": "", **timed})

    return fold


_OF_PART = "text", "state", "native"
"""What a part's end brings; `native` was called `state` before 2.1."""


def _part_ended(kind: str) -> Callable[[Transcript, Json], None]:
    def fold(transcript: Transcript, event: Json) -> None:
        if (message := _assistant(transcript, event)) is None:
            return
        parts = [part for part in message["content"] if part["type"] == kind]
        ordinal = event["data"].get("ordinal", 0)
        if ordinal < len(parts):
            parts[ordinal].update({key: event["data"][key] for key in _OF_PART if key in event["data"]})
            if "time" in parts[ordinal]:
                parts[ordinal]["time"]["completed"] = event["created"]

    return fold


def _tool_named(transcript: Transcript, event: Json) -> None:
    if (message := _assistant(transcript, event)) is not None:
        data = event["data"]
        call = {"type": "tool", "id": data["id"], "name": data["name"]}
        state = {"status": "streaming", "input": ""}
        message["content"].append({**call, "state": state, "time": {"created": event["created"]}})


def _tool(transcript: Transcript, event: Json) -> Json | None:
    message = _assistant(transcript, event) or {"content": []}
    found = (part for part in message["content"] if part.get("id") == event["data"]["id"])
    return next(found, None)


def _tool_called(transcript: Transcript, event: Json) -> None:
    if (tool := _tool(transcript, event)) is not None:
        tool["executed"] = event["data"].get("executed", False)
        tool["state"] = {"status": "running", "input": event["data"]["input"], "metadata": {}}
        tool["time"] = {**tool["time"], "ran": event["created"]}


def _tool_over(status: str) -> Callable[[Transcript, Json], None]:
    def fold(transcript: Transcript, event: Json) -> None:
        if (tool := _tool(transcript, event)) is None:
            return
        data = event["data"]
        result = {key: data[key] for key in ("content", "metadata", "error") if key in data}
        tool["state"] = {"status": status, "input": tool["state"]["input"], **result}
        tool["time"] = {**tool["time"], "completed": event["created"]}

    return fold


def _switched(what: str) -> Callable[[Transcript, Json], None]:
    def fold(transcript: Transcript, event: Json) -> None:
        message = {"type": f"{what}-switched", what: event["data"][what]}
        transcript[own_id(event)] = {"id": own_id(event), "time": {"created": event["created"]}, **message}

    return fold


def _compacting(transcript: Transcript, event: Json) -> None:
    running = {"type": "compaction", "status": "running", "reason": event["data"]["reason"]}
    transcript[own_id(event)] = {"id": own_id(event), "time": {"created": event["created"]}, **running}


def _compacted(status: str, **kept: str) -> Callable[[Transcript, Json], None]:
    """The end of the compaction that runs; `kept` are the message's fields by the event's."""

    def fold(transcript: Transcript, event: Json) -> None:
        running = (
            one for one in transcript.values() if one["type"] == "compaction" and one["status"] == "running"
        )
        if (message := next(running, None)) is not None:
            message["status"] = status
            message.update({kept[key]: value for key, value in event["data"].items() if key in kept})

    return fold


def _synthetic(transcript: Transcript, event: Json) -> None:
    said = {key: event["data"][key] for key in ("text", "description", "metadata") if key in event["data"]}
    transcript[own_id(event)] = {
        "id": own_id(event), "time": {"created": event["created"]}, "type": "synthetic", **said
    }  # fmt: skip


def _shell_ended(transcript: Transcript, event: Json) -> None:
    shell, time = event["data"]["shell"], {"created": event["created"], "completed": event["created"]}
    ran = {key: shell[key] for key in ("command", "status", "exit") if key in shell}
    message = {"type": "shell", "shellID": shell["id"], **ran, "output": event["data"]["output"]}
    transcript[own_id(event)] = {"id": own_id(event), "time": time, **message}


FOLDINGS: dict[str, Callable[[Transcript, Json], None]] = {
    "session.step.started": _step_started,
    "session.step.streamed": _step_streamed,
    "session.step.ended": _step_over,
    "session.step.failed": _step_over,
    "session.retry.scheduled": _retry,
    "session.text.started": _part_started("text"),
    "session.text.ended": _part_ended("text"),
    "session.reasoning.started": _part_started("reasoning"),
    "session.reasoning.ended": _part_ended("reasoning"),
    "session.tool.input.started": _tool_named,
    "session.tool.called": _tool_called,
    "session.tool.success": _tool_over("completed"),
    "session.tool.failed": _tool_over("error"),
    "session.agent.selected": _switched("agent"),
    "session.model.selected": _switched("model"),
    "session.compaction.started": _compacting,
    "session.compaction.ended": _compacted("completed", text="summary", cost="cost", tokens="tokens"),
    "session.compaction.failed": _compacted("failed", error="error"),
    "session.synthetic": _synthetic,
    "session.shell.ended": _shell_ended,
}
