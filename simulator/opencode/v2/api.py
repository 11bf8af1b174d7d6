"""What the server's API does, without HTTP. What turns make of it is the agent's; without one only recordings play."""

import asyncio
from typing import Any, Protocol

from simulator.opencode.scheduler import Ending, Reply
from simulator.opencode.script import Json, PermissionReply
from simulator.opencode.v2 import shapes
from simulator.opencode.v2.forms import check_answer
from simulator.opencode.v2.process import Process
from simulator.opencode.v2.requests import conflict, form_settled
from simulator.opencode.v2.rules import allowed, saved_rules
from simulator.opencode.v2.state import Form, Pending

EXPIRES_AFTER = 3600.0
"""Seconds without an event of a session after which a location is unloaded."""


class Agent(Protocol):
    """Who answers prompts. The Api lets requests be answered and items be enqueued; the agent does what follows of it.

    `api`: the people of its scripts act through the Api, too.
    """

    api: Any

    def check(self, text: str) -> None:
        """Raises Refused (400) for a prompt that holds no script."""
        ...

    def wake(self, session_id: str) -> None:
        """Something is in the session's inbox: an execution begins, or the one that goes on takes it when it can."""
        ...

    def ended(self, session_id: str) -> "asyncio.Future[Ending]":
        """How the session's execution ends; cancelled if the server is killed before."""
        ...

    def replied(self, reply: Reply) -> None:
        """`permission.replied`, `form.replied` or `form.cancelled` was just sent: a turn that waited for it goes on."""
        ...

    def interrupt(self, session_id: str, reason: str = "user") -> bool:
        """End its execution, and those of its children; whether there was one. All is sent before this returns.

        `reason` is "inactivity" when nothing happened in its location for an hour.
        """
        ...

    def forget(self, session_id: str) -> None:
        """A session is about to be deleted: what works for it has nobody to report to."""
        ...

    def resume(self, session_id: str) -> None:
        """A turn that the service's last stop interrupted runs again; nobody listens yet."""
        ...

    def stop(self) -> None:
        """The process ends orderly: turns end as interrupted by the shutdown; nobody hears it."""
        ...

    def kill(self) -> None:
        """The process is killed: everything stops where it is."""
        ...


class Api:
    """Of one server process."""

    def __init__(self, process: Process, agent: Agent | None = None) -> None:
        self._process, self._state = process, process.state
        self.agent = agent
        if agent is not None:
            agent.api = self

    def begin(self, directory: str, title: str) -> str:
        """A new session; its identifier."""
        return str(self.create({"location": {"directory": directory}, "title": title})["id"])

    def turn(self, session_id: str, text: str) -> "asyncio.Future[Ending] | None":
        """Prompt a session; how the execution ends, or None if nobody answers."""
        self.prompt(session_id, {"text": text})
        return None if self.agent is None else self.agent.ended(session_id)

    def create(self, body: Json) -> Json:
        """A new session, or the one that has this id already."""
        known = self._state.sessions.get(body.get("id", ""))
        if known is not None:
            return known
        process = self._process
        directory = (body.get("location") or {}).get("directory") or process.directory
        session_id = body.get("id") or process.ids.new("ses")
        created = shapes.created(session_id, process.project_of(directory), directory, body, process.flavour)
        process.publish("session.created", created, directory=directory)
        if directory not in process.missing:
            process.boot(directory)
        return self._state.sessions[session_id]

    def change(self, session_id: str, body: Json) -> None:
        """Its title, metadata, permissions, or whether it is archived: one event for each."""
        for kind, data in shapes.changes(self._state.sessions[session_id], body):
            self._process.publish(kind, data)

    def rename(self, session_id: str, title: str) -> None:
        """Its title."""
        self.change(session_id, {"title": title})

    def delete(self, session_id: str) -> None:
        """The session is gone, and its children before it; its turn is interrupted first, and with it theirs."""
        if self.agent is not None:
            self.agent.forget(session_id)
        if session_id in self._state.active:
            self.interrupt(session_id)
        for child in self._state.children(session_id):
            self.delete(child["id"])
        self._process.publish("session.deleted", {"sessionID": session_id})

    def fork(self, session_id: str, before: str | None) -> Json:
        """A new session with what was said so far, or before a message."""
        process = self._process
        source, new_id = self._state.sessions[session_id], process.ids.new("ses")
        transcript = self._state.transcripts[session_id]
        process.publish("session.forked", shapes.forked(new_id, source, transcript, before))
        return self._state.sessions[new_id]

    def prompt(self, session_id: str, body: Json) -> Json:
        """What was said goes into the inbox; it is answered unless `resume` is false. The item, the first one's if the id is known."""
        process = self._process
        item_id = body.get("id") or process.ids.new("msg")
        known = self._admitted(session_id, item_id)
        if known is not None:
            return known
        if self.agent is not None:
            self.agent.check(body["text"])
        item = shapes.user_item(body)
        process.boot(self._state.directory_of(session_id) or process.directory)
        admitted = self.enqueue(session_id, item_id, item)
        process.stopped.discard(session_id)
        if body.get("resume") is not False:
            self._wake(session_id)
        return admitted

    def say(self, session_id: str, body: Json, item: Json) -> Json:
        """Something that is no prompt into the inbox (a synthetic message, a compaction); as the inbox shows it."""
        admitted = self.enqueue(session_id, body.get("id") or self._process.ids.new("msg"), item)
        if body.get("resume") is not False:
            self._wake(session_id)
        return admitted

    def shell(self, session_id: str, command: str) -> None:
        """A person's own command, and the empty execution after it."""
        process = self._process
        where = self._state.directory_of(session_id) or process.directory
        shell_id, now = process.ids.new("sh"), process.now_ms()
        started = shapes.shell(shell_id, command, where, now)
        process.publish("session.shell.started", {"sessionID": session_id, "shell": started})
        ended = {"shell": shapes.shell(shell_id, command, where, now, 0), "output": shapes.NO_OUTPUT}
        process.publish("session.shell.ended", {"sessionID": session_id, **ended})
        self._empty_execution(session_id)

    def clear_revert(self, session_id: str) -> None:
        """Going back is called off, with an empty execution after it."""
        self._process.publish("session.revert.cleared", {"sessionID": session_id})
        self._empty_execution(session_id)

    def _empty_execution(self, session_id: str) -> None:
        if session_id not in self._state.active:
            for what in ("started", "succeeded"):
                self._process.publish(f"session.execution.{what}", {"sessionID": session_id})

    def enqueue(self, session_id: str, item_id: str, item: Json) -> Json:
        """An item into the inbox, of whatever type; as the inbox shows it."""
        data = {"sessionID": session_id, "inboxID": item_id, "item": item}
        self._process.publish("session.inbox.enqueued", data)
        return self._state.admitted[item_id]

    def interrupt(self, session_id: str, *, resume: bool = False, reason: str = "user") -> bool:
        """End its execution; whether there was one. With `resume` what waits in its inbox is answered then."""
        if self.agent is not None:
            interrupted = self.agent.interrupt(session_id, reason)
        else:
            interrupted = session_id in self._state.active
            if interrupted:
                self._interrupt_recorded(session_id, reason)
        if resume and self._state.inbox(session_id):
            self._wake(session_id)
        return interrupted

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

    def expire(self, directory: str) -> None:
        """A location where nothing happened for an hour goes: first its executions end, then what waits in it is refused."""
        waiting = [one for one in self._state.permissions.values() if one.directory == directory]
        for session_id in [one for one in self._state.active if self._state.directory_of(one) == directory]:
            self.interrupt(session_id, reason="inactivity")
        for asked in waiting:
            data = {"sessionID": asked.session_id, "requestID": asked.request["id"], "reply": "reject"}
            self._process.publish("permission.replied", data, directory=directory)
        self.unload(directory)

    def reload(self) -> None:
        """All locations are loaded anew: what they ask is refused, forms are cancelled; turns go on at their next step."""
        for directory in list(self._state.locations):
            self.unload(directory)

    def unload(self, directory: str) -> None:
        """A location goes, with what waits in it."""
        for asked in [one for one in self._state.permissions.values() if one.directory == directory]:
            if asked.request["id"] in self._state.permissions:
                self.reply_permission(asked, "reject")
        for form in self._state.pending_forms():
            if form.directory == directory:
                self.cancel_form(form)
        self._process.publish("location.shutdown", {}, directory=directory)

    def start(self) -> None:
        """The process begins: the managed service resumes what was interrupted, a foreground one forgets it."""
        claims = list(self._state.claims)
        if not self._process.managed:
            self._state.claims.clear()
        elif self.agent is not None:
            for session_id in claims:
                self.agent.resume(session_id)
        self._process.spawn(self._watch(), "opencode-inactivity")

    async def _watch(self) -> None:
        """Let locations expire, one hour after their last event of a session."""
        process = self._process
        while True:
            quiet = {where: process.quiet_since(where) for where in self._state.locations}
            for directory, since in quiet.items():
                if process.clock.now() >= since + EXPIRES_AFTER:
                    self.expire(directory)
            oldest = min(map(process.quiet_since, self._state.locations), default=process.clock.now())
            await process.clock.sleep(oldest + EXPIRES_AFTER - process.clock.now())

    def stop(self) -> None:
        """An orderly end, which nobody hears."""
        if self.agent is not None:
            self.agent.stop()
        self._process.die()

    def kill(self) -> None:
        """The end by SIGKILL. The beta claims a turn only when it stops it, so that a killed one does not resume."""
        if self.agent is not None:
            self.agent.kill()
        if not self._process.flavour.resumes_killed:
            self._state.claims -= set(self._state.active)
        self._process.die()

    def _wake(self, session_id: str) -> None:
        if self.agent is not None:
            self.agent.wake(session_id)

    def _resume_with(self, reply: Reply) -> None:
        if self.agent is not None:
            self.agent.replied(reply)

    def _admitted(self, session_id: str, item_id: str) -> Json | None:
        """What was said with this id before. Raises Refused (409) if it is another session's."""
        known = self._state.admitted.get(item_id)
        if known is not None and known["sessionID"] != session_id:
            raise conflict(f"Message {item_id} belongs to another session")
        return known

    def _interrupt_recorded(self, session_id: str, reason: str) -> None:
        """A recorded turn falls silent; forms that it waits for are cancelled, permissions only forgotten."""
        self._process.stopped.add(session_id)
        for form in self._state.pending_forms():
            if form.session_id == session_id:
                self.cancel_form(form)
        self._process.publish("session.execution.interrupted", {"sessionID": session_id, "reason": reason})

    def _project(self, session_id: str) -> str:
        return str(self._state.sessions.get(session_id, {}).get("projectID", "global"))


def _unsettled(form: Form) -> None:
    if not form.pending:
        raise form_settled(form.info["id"])
