"""Sessions, messages, parts and errors as OpenCode 1.18.33 writes them. No I/O: identifiers and times come from a Stamp."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.opencode.scheduler import Delta, Event
from simulator.opencode.script import OVERFLOW, Fault, Json

VERSION = "1.18.33"
SNAPSHOT = "5dadd1311caf60dbb1c640bf8060a87309319eee"
UNTITLED = "New session - "
DEFAULT_MODEL: Json = {"providerID": "fake", "modelID": "fake-model"}

_NO_TOKENS: Json = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}
_STEP_TOKENS: Json = {
    "total": 120,
    "input": 100,
    "output": 20,
    "reasoning": 0,
    "cache": {"write": 0, "read": 0},
}
_NO_CHANGES: Json = {"additions": 0, "deletions": 0, "files": 0}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every new object needs: `new_id("msg")` and the time, `now_ms()` in UNIX milliseconds."""

    new_id: Callable[[str], str]
    now_ms: Callable[[], int]


def new_session(stamp: Stamp, directory: str, project: str, title: str, **wanted: Any) -> Json:
    """A session that nobody has prompted yet; `wanted` are parentID, agent, model and permission, if given."""
    session_id, now = stamp.new_id("ses"), stamp.now_ms()
    return {
        "id": session_id,
        "slug": f"simulated-{session_id[-4:].lower()}",
        "version": VERSION,
        "projectID": project,
        "directory": directory,
        "path": "",
        "title": title,
        **wanted,
        "cost": 0,
        "tokens": _NO_TOKENS,
        "time": {"created": now, "updated": now},
    }


def prompted(session: Json, body: Json) -> Json:
    """The session knows its agent and model once it was prompted."""
    model = body.get("model", DEFAULT_MODEL)
    known = {"id": model["modelID"], "providerID": model["providerID"], "variant": "default"}
    return {**session, "agent": body.get("agent", session.get("agent", "build")), "model": known}


def summarized(session: Json, steps: int) -> Json:
    """The session with its changes counted, and the tokens of so many steps."""
    tokens = {**_NO_TOKENS, "input": 100 * steps, "output": 20 * steps}
    return {**session, "summary": _NO_CHANGES, "tokens": tokens}


def touched(session: Json, now_ms: int) -> Json:
    """The session as changed now."""
    return {**session, "time": {**session["time"], "updated": now_ms}}


def user_message(stamp: Stamp, session: Json, body: Json) -> Json:
    """The info of what a person, or a parent's task tool, says."""
    return {
        "id": body.get("messageID") or stamp.new_id("msg"),
        "role": "user",
        "sessionID": session["id"],
        "time": {"created": stamp.now_ms()},
        "agent": body.get("agent", session.get("agent", "build")),
        "model": body.get("model", DEFAULT_MODEL),
    }


def assistant_message(stamp: Stamp, session: Json, user: Json, mode: str | None = None) -> Json:
    """The info of an answer that begins."""
    mode = mode or user["agent"]
    return {
        "id": stamp.new_id("msg"),
        "parentID": user["id"],
        "role": "assistant",
        "mode": mode,
        "agent": mode,
        "path": {"cwd": session["directory"], "root": session["directory"]},
        "cost": 0,
        "tokens": _NO_TOKENS,
        **user["model"],
        "time": {"created": stamp.now_ms()},
        "sessionID": session["id"],
    }


def finished(message: Json, finish: str) -> Json:
    """The answer when the model has said why it ended."""
    return {**message, "tokens": _tokens(finish), "finish": finish}


def completed(message: Json, now_ms: int, error: Json | None = None) -> Json:
    """The answer when it is over."""
    done = {**message, "time": {**message["time"], "completed": now_ms}}
    return done if error is None else {**done, "error": error}


def summary_message(stamp: Stamp, session: Json, user: Json) -> Json:
    """The info of an answer that summarizes the history, after a context overflow."""
    return {**assistant_message(stamp, session, user, "compaction"), "summary": True}


def with_summary(user: Json, diffs: list[Json]) -> Json:
    """What was said, with the changes that were made for it."""
    return {**user, "summary": {"diffs": list(diffs)}}


def untitled(session: Json) -> bool:
    """Whether the model will be asked for a title: nobody gave one, and it is no child's."""
    return session["title"].startswith(UNTITLED) and "parentID" not in session


def part(stamp: Stamp, message: Json, **fields: Any) -> Json:
    """A new part of a message; `fields` hold its type."""
    return {
        "id": stamp.new_id("prt"),
        "messageID": message["id"],
        "sessionID": message["sessionID"],
        **fields,
    }


def step_start(stamp: Stamp, message: Json) -> Json:
    """The part with which each model call begins."""
    return part(stamp, message, snapshot=SNAPSHOT, type="step-start")


def step_finish(stamp: Stamp, message: Json, reason: str) -> Json:
    """The part with which each model call ends."""
    return part(
        stamp, message, reason=reason, snapshot=SNAPSHOT, type="step-finish", tokens=_tokens(reason), cost=0
    )


def patch(stamp: Stamp, message: Json, files: tuple[str, ...]) -> Json:
    """The part that names the files which a model call changed."""
    return part(stamp, message, type="patch", hash=SNAPSHOT, files=list(files))


def user_parts(stamp: Stamp, user: Json, body: Json) -> list[Json]:
    """The parts of what was said, with identifiers if the body has none."""
    return [
        {
            **one,
            "messageID": user["id"],
            "sessionID": user["sessionID"],
            "id": one.get("id") or stamp.new_id("prt"),
        }
        for one in body["parts"]
    ]


def _tokens(reason: str) -> Json:
    """A provider that hangs up has counted nothing."""
    return _NO_TOKENS if reason == "unknown" else _STEP_TOKENS


def session_event(kind: str, session: Json) -> Event:
    """session.created, session.updated or session.deleted."""
    return f"session.{kind}", {"sessionID": session["id"], "info": session}


def message_event(message: Json) -> Event:
    """A message is new, or has changed."""
    return "message.updated", {"sessionID": message["sessionID"], "info": message}


def part_event(one: Json, now_ms: int) -> Event:
    """A part is new, or has changed."""
    return "message.part.updated", {"sessionID": one["sessionID"], "part": one, "time": now_ms}


def delta(one: Json) -> Callable[[str], Delta]:
    """The words of one streaming part; all that is the same in its events is encoded once."""
    head = f'"type":"message.part.delta","properties":{{"sessionID":"{one["sessionID"]}","messageID":"{one["messageID"]}"'
    head += f',"partID":"{one["id"]}","field":"text","delta":'
    encoded = head.encode()
    return lambda text: Delta(encoded, text)


def status_event(session_id: str, status: Json | str) -> Event:
    """busy, idle, or a whole retry status."""
    value = {"type": status} if isinstance(status, str) else status
    return "session.status", {"sessionID": session_id, "status": value}


def idle_events(session_id: str) -> tuple[Event, Event]:
    """A turn's end is always sent twice."""
    return status_event(session_id, "idle"), ("session.idle", {"sessionID": session_id})


def error_event(session_id: str, error: Json) -> Event:
    """Something failed."""
    return "session.error", {"sessionID": session_id, "error": error}


_PROVIDER = "http://127.0.0.1:4999/v1/chat/completions"
_HEADERS = {"content-type": "application/json", "server": "fake-provider"}

ABORTED: Json = {"name": "MessageAbortedError", "data": {"message": "Aborted"}}
FILTERED: Json = {
    "name": "ContentFilterError",
    "data": {"message": "The response was blocked by the provider's content filter"},
}


def error_body(fault: Fault) -> Json:
    """As `session.error` and the failed message have it. It holds the provider's address, headers and body."""
    if isinstance(fault.kind, int):
        return {"name": "APIError", "data": _answered(fault, fault.kind)}
    if fault.kind == OVERFLOW:
        return {
            "name": "ContextOverflowError",
            "data": {"message": fault.message, "responseBody": _provider_body(fault, OVERFLOW)},
        }
    if fault.kind in ("refused", "in_stream"):
        return {"name": "APIError", "data": {"message": fault.message, "isRetryable": True}}
    return {"name": "UnknownError", "data": {"message": fault.message}}


def _answered(fault: Fault, status: int) -> Json:
    return {
        "message": fault.message,
        "statusCode": status,
        "isRetryable": fault.retryable,
        "responseHeaders": _HEADERS,
        "responseBody": _provider_body(fault, None),
        "metadata": {"url": _PROVIDER},
    }


def _provider_body(fault: Fault, code: str | None) -> str:
    return json.dumps({"error": {"message": fault.message, "type": "fake_error", "code": code}})


def stack_trace(error: Json) -> Json:
    """The second error of an unknown model: the first one's words, with the server's stack."""
    message = error["data"]["message"]
    return {
        "name": "UnknownError",
        "data": {
            "message": f"ProviderModelNotFoundError: {message}\n    at getModel (src/provider/provider.ts)"
        },
    }


def lost(session_id: str) -> Json:
    """The error of a turn whose session was deleted under it. Its SQL was seen in the message; the exact text is assumed."""
    return {
        "name": "UnknownError",
        "data": {
            "message": f'Failed query: insert into "part" ... FOREIGN KEY constraint failed: {session_id}'
        },
    }
