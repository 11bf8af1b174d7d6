"""The REST routes of what a session asks: permissions and questions, listed and answered."""

from quart import Quart, Response

from simulator.opencode.v1 import answers, requests
from simulator.opencode.v1.desk import Desk
from simulator.opencode.v1.exchange import answer, body, directory, pending, session
from simulator.opencode.v1.process import Process
from simulator.opencode.v1.state import pending_in


def add(app: Quart, process: Process, desk: Desk) -> None:
    """Put them on the app."""
    _permissions(app, process, desk)
    _questions(app, process, desk)


def _permissions(app: Quart, process: Process, desk: Desk) -> None:
    state = process.state

    @app.get("/permission")
    async def permissions() -> Response:
        return answer(pending_in(directory(process, desk), state.permissions))

    @app.post("/permission/<request_id>/reply")
    async def permission_reply(request_id: str) -> Response:
        given = await body()
        word = requests.choice(given, "reply", answers.REPLIES)
        here = directory(process, desk)
        asked = pending(state.permissions, request_id, here, requests.permission_not_found)
        desk.permission(asked, word, given.get("message"))
        return answer(True)

    @app.post("/session/<session_id>/permissions/<request_id>")
    async def legacy_reply(session_id: str, request_id: str) -> Response:
        """The older route finds the directory by the session."""
        word = requests.choice(await body(), "response", answers.REPLIES)
        here = session(process, session_id)["directory"]
        asked = pending(state.permissions, request_id, here, requests.permission_not_found)
        desk.permission(asked, word, None)
        return answer(True)


def _questions(app: Quart, process: Process, desk: Desk) -> None:
    state = process.state

    @app.get("/question")
    async def questions() -> Response:
        return answer(pending_in(directory(process, desk), state.questions))

    @app.post("/question/<request_id>/reply")
    async def question_reply(request_id: str) -> Response:
        chosen = requests.listing(await body(), "answers")
        here = directory(process, desk)
        desk.question(pending(state.questions, request_id, here, requests.question_not_found), chosen)
        return answer(True)

    @app.post("/question/<request_id>/reject")
    async def question_reject(request_id: str) -> Response:
        here = directory(process, desk)
        desk.question(pending(state.questions, request_id, here, requests.question_not_found), None)
        return answer(True)
