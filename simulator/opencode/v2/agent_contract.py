"""What the server's API needs of whoever answers prompts."""

import asyncio
from typing import Any, Protocol

from simulator.opencode.scheduler import Ending, Reply


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

    def background(self, session_id: str) -> None:
        """What its tools do goes on by itself, and the turn goes on, too."""
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
