"""What sessions ask, and the answers: the part of the server's API that is about permissions and forms."""

from typing import Any

from simulator.opencode.scheduler import Reply
from simulator.opencode.script import Json, PermissionReply
from simulator.opencode.v2 import shapes
from simulator.opencode.v2.agent_contract import Agent
from simulator.opencode.v2.forms import check_answer
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.requests import form_settled
from simulator.opencode.v2.rules import allowed, saved_rules
from simulator.opencode.v2.state import Form, Pending


class Requests:
    """Of one server process. An answer is sent at once; what follows of it in a turn is the agent's."""

    def __init__(self, process: Process, agent: Agent | None = None) -> None:
        self._process, self._state = process, process.state
        self.agent = agent
        if agent is not None:
            agent.api = self

    def ask_permission(self, session_id: str, body: Json) -> Json:
        """A client asks by itself: `{id, effect}`; there is a request only if no rule decides."""
        process = self._process
        request = shapes.permission(body.get("id") or process.ids.new("per"), session_id, body)
        process.boot(self._state.directory_of(session_id) or process.directory)
        if allowed(self._state.saved.values(), self._project(session_id), request):
            return {"id": request["id"], "effect": "allow"}
        process.publish("permission.asked", request)
        return {"id": request["id"], "effect": "ask"}

    def reply_permission(self, asked: Pending, word: PermissionReply, message: str | None = None) -> None:
        """A person answers. A no is the answer to all that its session waits for; "always" to all that it now allows."""
        if word == "always":
            for rule in saved_rules(
                self._process.ids.new, self._project(asked.session_id), asked.request, self._process.now_ms()
            ):
                self._state.saved[rule["id"]] = rule
        answered = [asked, *self._answered_too(asked, word)]
        for one in answered:
            data = {"sessionID": one.session_id, "requestID": one.request["id"], "reply": word}
            self._process.publish("permission.replied", data, directory=one.directory)
        for one in answered:
            self._resume_with(Reply(one.request["id"], word, message))

    def _answered_too(self, asked: Pending, word: PermissionReply) -> list[Pending]:
        others = [one for one in self._state.permissions.values() if one is not asked]
        if word == "reject":
            return [one for one in others if one.session_id == asked.session_id]
        if word == "always":
            rules = self._state.saved.values()
            return [
                one
                for one in others
                if one.directory == asked.directory
                and allowed(rules, self._project(one.session_id), one.request)
            ]
        return []

    def ask_form(self, session_id: str, body: Json) -> Json:
        """A client asks by itself; the form. `session_id` may be "global"."""
        process = self._process
        form = shapes.form(body.get("id") or process.ids.new("frm"), session_id, body)
        process.boot(self._state.directory_of(session_id) or process.directory)
        process.publish("form.created", {"form": form})
        return form

    def reply_form(self, form: Form, answer: Any) -> None:
        """A person fills in a form. Raises Refused (400, 409)."""
        _unsettled(form)
        check_answer(form.info, answer)
        data = {"id": form.info["id"], "sessionID": form.session_id, "answer": answer}
        self._process.publish("form.replied", data, directory=form.directory)
        self._resume_with(Reply(form.info["id"], filled=answer))

    def cancel_form(self, form: Form, message: str | None = None) -> None:
        """A person dismisses a form; with a message the agent goes on. Raises Refused (409)."""
        _unsettled(form)
        data = {"id": form.info["id"], "sessionID": form.session_id}
        self._process.publish("form.cancelled", data, directory=form.directory)
        if message is not None:
            form.state["message"] = message
        self._resume_with(Reply(form.info["id"], message=message))

    def unload(self, directory: str) -> None:
        """A location goes, with what waits in it."""
        for asked in [one for one in self._state.permissions.values() if one.directory == directory]:
            if asked.request["id"] in self._state.permissions:
                self.reply_permission(asked, "reject")
        for form in self._state.pending_forms():
            if form.directory == directory:
                self.cancel_form(form)
        self._process.publish("location.shutdown", {}, directory=directory)

    def _resume_with(self, reply: Reply) -> None:
        if self.agent is not None:
            self.agent.replied(reply)

    def _project(self, session_id: str) -> str:
        return str(self._state.sessions.get(session_id, {}).get("projectID", "global"))


def _unsettled(form: Form) -> None:
    if not form.pending:
        raise form_settled(form.info["id"])
