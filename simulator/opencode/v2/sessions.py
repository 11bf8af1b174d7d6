"""What is known of one session, folded from its events: as GET /api/session/:id spells it. No I/O."""

from collections.abc import Callable

from simulator.opencode.script import Json

_NO_TOKENS: Json = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}
_OPTIONAL = "subpath", "parentID", "title", "agent", "model", "metadata", "permissions"
_NOT_FORKED = "parentID", "outcome", "fork"


def fold(session: Json, event: Json) -> None:
    """Take in one event of the session; types that change nothing of it are ignored."""
    folding = FOLDINGS.get(event["type"])
    if folding is not None:
        folding(session, event)


def created(event: Json) -> Json:
    """A new session, from its `session.created`."""
    data = event["data"]
    if "model" in data:
        data = {**data, "model": _whole(data["model"])}
    return {
        "id": data["sessionID"],
        "projectID": data["projectID"],
        **{key: data[key] for key in _OPTIONAL if data.get(key) not in (None, "")},
        "cost": 0,
        "tokens": _NO_TOKENS,
        "time": {"created": event["created"], "updated": event["created"]},
        "location": data["location"],
    }


def forked(source: Json, number: int, event: Json) -> Json:
    """The `number`th fork of a session, from its `session.forked`; it is nobody's child."""
    data = event["data"]
    kept = {key: value for key, value in source.items() if key not in _NOT_FORKED}
    title = {"title": f"{source['title']} (fork #{number})"} if "title" in source else {}
    time = {"created": event["created"], "updated": event["created"]}
    own = {"id": data["sessionID"], "cost": 0, "tokens": _NO_TOKENS, "time": time}
    return {**kept, **own, **title, "fork": {"sessionID": source["id"], "boundary": data["boundary"]}}


def ended(session: Json, event: Json, outcome: str) -> None:
    """Its turn ended so, now."""
    session.update(outcome=outcome, time={**session["time"], "idle": event["created"]})


def _touched(session: Json, event: Json) -> None:
    session["time"] = {**session["time"], "updated": event["created"]}


def _changed(*fields: str) -> Callable[[Json, Json], None]:
    """An event whose data replaces fields of the session."""

    def fold(session: Json, event: Json) -> None:
        session.update({key: event["data"][key] for key in fields if key in event["data"]})
        _touched(session, event)

    return fold


def _model(session: Json, event: Json) -> None:
    session["model"] = _whole(event["data"]["model"])


def _whole(model: Json) -> Json:
    """A model with its variant, as sessions name it."""
    return {**model, "variant": model.get("variant", "default")}


def _at(name: str, key: str | None = None) -> Callable[[Json, Json], None]:
    """An event that sets a time of the session: when it happened, or what its data says."""

    def fold(session: Json, event: Json) -> None:
        session["time"] = {**session["time"], name: event["data"][key] if key else event["created"]}

    return fold


def _unarchived(session: Json, _event: Json) -> None:
    session["time"] = {key: value for key, value in session["time"].items() if key != "archived"}


def _unreverted(session: Json, _event: Json) -> None:
    session.pop("revert", None)


def _usage(session: Json, event: Json) -> None:
    session.update(cost=event["data"]["cost"], tokens=event["data"]["tokens"])


FOLDINGS: dict[str, Callable[[Json, Json], None]] = {
    "session.renamed": _changed("title"),
    "session.moved": _changed("location", "projectID", "subpath"),
    "session.metadata.updated": _changed("metadata"),
    "session.permissions": _changed("permissions"),
    "session.agent.selected": _changed("agent"),
    "session.model.selected": _model,
    "session.archived": _at("archived"),
    "session.unarchived": _unarchived,
    "session.viewed": _at("viewed", "idle"),
    "session.revert.staged": _changed("revert"),
    "session.revert.cleared": _unreverted,
    "session.usage.updated": _usage,
    "session.inbox.enqueued": _touched,
}
