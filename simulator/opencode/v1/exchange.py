"""What every route does with a request and its answer."""

import json
from collections.abc import Callable
from typing import Any

from quart import Response, request

from simulator.opencode.v1 import requests
from simulator.opencode.v1.desk import Desk
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.requests import Refused
from simulator.opencode.v1.state import Json, Pending
from simulator.opencode.v1.wire import compact


def answer(value: Any, status: int = 200) -> Response:
    """JSON as the server writes it."""
    return Response(compact(value), status, content_type="application/json")


def directory(process: Process, desk: Desk) -> str:
    """The instance that the request is about; it is started if it is none yet."""
    header = request.headers.get(requests.DIRECTORY_HEADER)
    named = requests.directory(request.args.get("directory"), header, process.directory)
    desk.visit(named)
    return named


async def body() -> Json:
    """The JSON object in the body; none at all counts as an empty one. Raises Refused (400)."""
    text = await request.get_data(as_text=True)
    try:
        value = json.loads(text or "{}")
    except ValueError:
        raise Refused(400, {"_tag": "BadRequest"}) from None
    if not isinstance(value, dict):
        raise Refused(400, {"_tag": "BadRequest"})
    return value


def session(process: Process, session_id: str) -> Json:
    """The info of a session. Raises Refused (404)."""
    info = process.state.sessions.get(session_id)
    if info is None:
        raise requests.session_not_found(session_id)
    return info


def pending(
    table: dict[str, Pending], request_id: str, directory: str, not_found: Callable[[str], Refused]
) -> Pending:
    """A request that waits in this directory. Raises Refused (404)."""
    waiting = table.get(request_id)
    if waiting is None or waiting.directory != directory:
        raise not_found(request_id)
    return waiting
