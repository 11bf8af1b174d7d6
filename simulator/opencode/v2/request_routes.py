"""The routes of what sessions ask: permissions, saved rules and forms."""

from typing import cast

from quart import Quart, Response, request

from simulator.opencode.script import PERMISSION_REPLIES, Json, PermissionReply
from simulator.opencode.v2 import requests
from simulator.opencode.v2.answers import body, data, empty, located, location, usable
from simulator.opencode.v2.api import Api
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.state import Form, Pending, requests_of

GLOBAL = "global"
"""Instead of a session: forms that belong to none."""


def add(app: Quart, process: Process, api: Api) -> None:
    """Put them on the app."""
    _permissions(app, process, api)
    _saved(app, process)
    _forms(app, process, api)
    _form_answers(app, process, api)


def _permission(process: Process, session_id: str, request_id: str) -> Pending:
    """A permission that this session waits for. Raises Refused (400, 404)."""
    usable(process, session_id)
    waiting = process.state.permissions.get(request_id)
    if waiting is None or waiting.session_id != session_id:
        raise requests.permission_not_found(request_id)
    return waiting


def _permissions(app: Quart, process: Process, api: Api) -> None:
    state = process.state

    @app.get("/api/permission/request")
    async def permissions_here() -> Response:
        where = location(process)
        waiting = [one.request for one in state.permissions.values() if one.directory == where]
        return located(process, where, waiting)

    @app.get("/api/session/<session_id>/permission")
    async def permissions_of_session(session_id: str) -> Response:
        usable(process, session_id)
        return data(requests_of(session_id, state.permissions))

    @app.post("/api/session/<session_id>/permission")
    async def ask_permission(session_id: str) -> Response:
        usable(process, session_id)
        said = await body()
        requests.text(said, "action")
        requests.listing(said, "resources")
        if "id" in said:
            requests.checked_id(said["id"], "per", "id", "Payload")
        return data(api.ask_permission(session_id, said))

    @app.get("/api/session/<session_id>/permission/<request_id>")
    async def permission(session_id: str, request_id: str) -> Response:
        return data(_permission(process, session_id, request_id).request)

    @app.post("/api/session/<session_id>/permission/<request_id>/reply")
    async def reply_permission(session_id: str, request_id: str) -> Response:
        said, key = await body(), process.flavour.reply
        if key not in said:
            raise requests.missing_key(key)
        word = requests.choice(said[key], key, PERMISSION_REPLIES, "Permission.Reply")
        asked = _permission(process, session_id, request_id)
        api.reply_permission(asked, cast(PermissionReply, word), said.get("message"))
        return empty()


def _saved(app: Quart, process: Process) -> None:
    saved = process.state.saved

    def rule(rule_id: str) -> Json:
        if rule_id not in saved:
            raise requests.not_found("PermissionSaved", "id", rule_id)
        return saved[rule_id]

    @app.get("/api/permission/saved")
    async def saved_rules() -> Response:
        project = request.args.get("projectID", process.project_of(process.directory))
        return data([one for one in saved.values() if one["projectID"] == project])

    async def change_rule(rule_id: str) -> Response:
        known, said = rule(rule_id), await body()
        known.update({key: said[key] for key in ("action", "resource") if key in said})
        known["time"] = {**known["time"], "updated": process.now_ms()}
        return empty()

    if not process.flavour.beta:
        app.patch("/api/permission/saved/<rule_id>")(change_rule)

    @app.delete("/api/permission/saved/<rule_id>")
    async def forget_rule(rule_id: str) -> Response:
        rule(rule_id)
        del saved[rule_id]
        return empty()


def _owner(process: Process, session_id: str) -> str:
    """A session that can own forms, or "global". Raises Refused (400, 404)."""
    return session_id if session_id == GLOBAL else str(usable(process, session_id)["id"])


def _form(process: Process, session_id: str, form_id: str) -> Form:
    found = process.state.form(_owner(process, session_id), form_id, process.now_ms())
    if found is None:
        raise requests.form_not_found(form_id)
    return found


def _forms(app: Quart, process: Process, api: Api) -> None:
    @app.get(process.flavour.forms)
    async def forms_here() -> Response:
        where = location(process)
        return located(
            process, where, [one.info for one in process.state.pending_forms() if one.directory == where]
        )

    @app.get("/api/session/<session_id>/form")
    async def forms_of_session(session_id: str) -> Response:
        owner = _owner(process, session_id)
        return data([one.info for one in process.state.pending_forms() if one.session_id == owner])

    @app.post("/api/session/<session_id>/form")
    async def ask_form(session_id: str) -> Response:
        owner, said = _owner(process, session_id), await body()
        requests.text(said, "title")
        requests.listing(said, "fields")
        if "id" in said:
            requests.checked_id(said["id"], "frm", "id", "Payload")
        return data(api.ask_form(owner, said))

    @app.get("/api/session/<session_id>/form/<form_id>")
    async def form(session_id: str, form_id: str) -> Response:
        found = _form(process, session_id, form_id)
        return data({**found.info, "state": found.state})


def _form_answers(app: Quart, process: Process, api: Api) -> None:
    @app.post("/api/session/<session_id>/form/<form_id>/reply")
    async def reply_form(session_id: str, form_id: str) -> Response:
        said, form = await body(), _form(process, session_id, form_id)
        if "answer" not in said:
            raise requests.missing_key("answer")
        api.reply_form(form, said["answer"])
        return empty()

    async def cancel_form(session_id: str, form_id: str) -> Response:
        api.cancel_form(_form(process, session_id, form_id), request.args.get("message"))
        return empty()

    async def form_state(session_id: str, form_id: str) -> Response:
        return data(_form(process, session_id, form_id).state)

    if not process.flavour.beta:
        app.delete("/api/session/<session_id>/form/<form_id>")(cancel_form)
    else:
        app.post("/api/session/<session_id>/form/<form_id>/cancel")(cancel_form)
        app.get("/api/session/<session_id>/form/<form_id>/state")(form_state)
