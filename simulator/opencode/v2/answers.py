"""What all routes share: JSON as the server writes it, the body of a request, and the session it is about."""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from quart import Response, request

from simulator.opencode.script import Json
from simulator.opencode.v2 import requests
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.wire import compact, data_line


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as it is."""
    return Response(compact(value), status, dict(headers or {}), content_type="application/json")


def data(value: Any) -> Response:
    """The answer of a route that is about a session: `{"data": ...}`."""
    return answer({"data": value})


def empty(status: int = 204, headers: Mapping[str, str] | None = None) -> Response:
    """No body, and no type of one."""
    response = Response("", status, dict(headers or {}))
    del response.headers["Content-Type"]
    return response


async def body() -> Json:
    """The JSON object in the body; none at all counts as an empty one. Raises Refused (400)."""
    text = await request.get_data(as_text=True)
    try:
        value = json.loads(text or "{}")
    except ValueError:
        raise requests.invalid("Invalid JSON") from None
    if not isinstance(value, dict):
        raise requests.invalid("Expected object")
    return value


def session(process: Process, session_id: str) -> Json:
    """The info of a session. Raises Refused (400, 404)."""
    requests.checked_id(session_id, "ses", "sessionID")
    info = process.state.sessions.get(session_id)
    if info is None:
        raise requests.session_not_found(session_id)
    return info


def usable(process: Process, session_id: str) -> Json:
    """The info of a session whose directory is there. Raises Refused (400, 404; 500 before 2.1)."""
    info = session(process, session_id)
    there(process, info["location"]["directory"])
    return info


def there(process: Process, directory: str) -> str:
    """A directory that exists. Raises Refused: 404 since 2.1, before that an empty 500."""
    if directory not in process.missing:
        return directory
    if process.flavour.located_404:
        raise requests.not_found("Location", "directory", directory)
    raise requests.Refused(500, None)


def location(process: Process) -> str:
    """The location of the request, which is loaded by being asked for; a plain `?directory=` is not looked at."""
    header = request.headers.get(requests.DIRECTORY_HEADER)
    named = there(process, requests.directory(request.args, header, process.directory))
    process.boot(named)
    return named


def place(process: Process, directory: str) -> Json:
    """A location with its project."""
    project = {"id": process.project_of(directory), "directory": directory, "canonical": directory}
    return {"directory": directory, "project": project}


def located(process: Process, directory: str, value: Any) -> Response:
    """The answer of a route that is about a location; the beta names its project, too."""
    shown = {"directory": directory} if not process.flavour.beta else place(process, directory)
    return answer({"location": shown, "data": value})


def event_stream(body: AsyncGenerator[bytes, None], headers: Mapping[str, str] | None = None) -> Response:
    """A body that goes on for as long as somebody reads it."""
    response = Response(body, 200, {**(headers or {}), "Content-Type": "text/event-stream"})
    response.timeout = None  # Quart ends a body after RESPONSE_TIMEOUT (60 s) otherwise
    return response


def one_event(value: Json) -> Response:
    """An event stream of a single event."""
    return Response(data_line(value), 200, content_type="text/event-stream")
