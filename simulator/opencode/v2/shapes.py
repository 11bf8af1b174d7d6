"""Sessions, inbox items, requests and forms as OpenCode 2 writes them. No I/O."""

from simulator.opencode.scheduler import Event
from simulator.opencode.script import Json
from simulator.opencode.v2.messages import Transcript
from simulator.opencode.v2.wire import Flavour

DEFAULT_MODEL: Json = {"id": "fake-model", "providerID": "fake"}

_WANTED = "parentID", "title", "agent", "model", "metadata", "permissions"
_PAYLOAD = "text", "files", "agents", "skills", "metadata"
_ASKED = "action", "resources", "save", "metadata", "source", "message"


def _given(body: Json, keys: tuple[str, ...]) -> Json:
    return {key: body[key] for key in keys if body.get(key) is not None}


def created(session_id: str, project: str, directory: str, body: Json, flavour: Flavour) -> Json:
    """The data of `session.created`."""
    return {
        "sessionID": session_id,
        "projectID": project,
        "location": {"directory": directory},
        "subpath": "",
        **_given(body, _WANTED),
        "slug": f"simulated-{session_id[-4:].lower()}",
        "version": flavour.version,
    }


def changes(session: Json, body: Json) -> list[Event]:
    """The events of a PATCH: one for each field that is given."""
    owner = {"sessionID": session["id"]}
    events: list[Event] = []
    if "title" in body:
        events.append(("session.renamed", {**owner, "title": body["title"]}))
    if "metadata" in body:
        events.append(("session.metadata.updated", {**owner, "metadata": body["metadata"]}))
    if "permissions" in body:
        events.append(("session.permissions", {**owner, "permissions": body["permissions"]}))
    if "archived" in body:
        events.append((f"session.{'archived' if body['archived'] else 'unarchived'}", owner))
    return events


def forked(new_id: str, source: Json, transcript: Transcript, before: str | None) -> Json:
    """The data of `session.forked`: `parentID` is the source, which is no parent."""
    last = next(reversed(transcript), "")
    boundary = {"type": "through" if before is None else "before", "messageID": before or last}
    return {"sessionID": new_id, "parentID": source["id"], "boundary": boundary, "instructions": {}}


def user_item(body: Json) -> Json:
    """What a person says, as an inbox item."""
    return {
        "type": "user",
        "payload": _given(body, _PAYLOAD),
        "delivery": body.get("delivery", "steer"),
    }


def shown_item(item: Json, flavour: Flavour) -> Json:
    """An item as the inbox, or the answer to a prompt, shows it."""
    if not flavour.beta:
        return item
    same = {key: item[key] for key in ("id", "sessionID", "type", "delivery")}
    return {**same, "timeCreated": item["time"]["created"], "data": item["payload"]}


def synthetic_item(body: Json) -> Json:
    """What the server, or a tool, says to the agent by itself, as when background work has ended."""
    payload = _given(body, ("text", "description", "metadata"))
    return {"type": "synthetic", "payload": payload, "delivery": body.get("delivery", "steer")}


def move_item(location: Json) -> Json:
    """A session at work goes elsewhere, between two steps."""
    return {"type": "move", "payload": {"location": location}, "delivery": "steer"}


def compaction_item(body: Json) -> Json:
    """A person's wish that the history be summarized."""
    return {"type": "compaction", "payload": {}, "delivery": body.get("delivery", "steer")}


def shell(shell_id: str, command: str, directory: str, now_ms: int, exit_code: int | None = None) -> Json:
    """A command of the shell: it runs, or has ended with `exit_code`."""
    ended = {"exit": exit_code, "status": "exited"} if exit_code is not None else {"status": "running"}
    time = {"started": now_ms} if exit_code is None else {"started": now_ms, "completed": now_ms}
    place = {
        "cwd": directory,
        "shell": "/bin/bash",
        "file": f"/home/demo/.local/share/opencode/{shell_id}.out",
    }
    return {"id": shell_id, "command": command, **place, **ended, "metadata": {}, "time": time}


NO_OUTPUT: Json = {"output": "", "cursor": 0, "size": 0, "truncated": False}


def revert(message_id: str) -> Json:
    """A session that goes back to before a message, until it is cleared or committed."""
    return {"messageID": message_id, "files": []}


def permission(request_id: str, session_id: str, body: Json) -> Json:
    """A request for permission, which is also the data of `permission.asked`."""
    return {"id": request_id, "sessionID": session_id, **_given(body, _ASKED)}


def form(form_id: str, session_id: str, body: Json) -> Json:
    """A form, which stands in the data of `form.created`."""
    asked = {"id": form_id, "sessionID": session_id, "title": body["title"]}
    return {**asked, **_given(body, ("metadata",)), "fields": body["fields"]}


def saved_rule(rule_id: str, project: str, action: str, resource: str, now_ms: int) -> Json:
    """What "always" stores."""
    time = {"created": now_ms, "updated": now_ms}
    return {"id": rule_id, "projectID": project, "action": action, "resource": resource, "time": time}
