"""What the server's API does, without HTTP. What turns make of it is the agent's; without one only recordings play."""

import asyncio

from simulator.opencode.scheduler import Ending
from simulator.opencode.script import Json
from simulator.opencode.v2 import shapes
from simulator.opencode.v2.answering import Requests
from simulator.opencode.v2.requests import conflict

EXPIRES_AFTER = 3600.0
"""Seconds without an event of a session after which a location is unloaded."""


class Api(Requests):
    """Of one server process."""

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

    def move(self, session_id: str, directory: str) -> None:
        """An idle session goes elsewhere now; one at work between two steps."""
        location = {"directory": directory}
        if session_id in self._state.active and self.agent is not None:
            self.say(session_id, {}, shapes.move_item(location))
            return
        project = self._process.project_of(directory)
        self._process.boot(directory)
        self._process.publish(
            "session.moved", {"sessionID": session_id, "location": location, "projectID": project}
        )

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
