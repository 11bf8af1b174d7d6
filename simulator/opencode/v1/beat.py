"""What a turn yields: events that happen now, and how long until it goes on. No I/O.

A turn is a generator of beats. It is resumed with None when its pause is over, or with a Reply if a person answered
what it waits for; `Stopped` is thrown into it when its turn must end.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

from simulator.opencode.v1.state import Json

Event = tuple[str, Json]
"""Type and properties."""
Word = Literal["once", "always", "reject"]
How = Literal["done", "stopped", "failed", "aborted"]
"""How a turn ends: with an answer, by a person's no, with an error, or aborted."""


@dataclass(frozen=True, slots=True)
class Delta:
    """One word of a part that streams: `message.part.delta`, by far the most frequent event.

    `head` is what is the same for all words of the part, as JSON from `"type"` up to the word.
    """

    head: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person answered to a request: a permission's `word`, or a question's `answers` (None: dismissed)."""

    request_id: str
    word: Word = "once"
    message: str | None = None
    answers: list[list[str]] | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """Events in order, then `pause` seconds; None waits until one of the requests in `waits` is answered.

    `beside` is work that goes on by itself from here, as the server summarizes while the model is called.
    """

    events: Sequence[Event | Delta] = ()
    pause: float | None = 0.0
    waits: frozenset[str] = frozenset()
    beside: "Steps | None" = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, and its last words: the answer's, or the error's."""

    how: How
    said: str = ""


Steps = Generator[Beat, Reply | None, None]
"""A part of a turn, or work beside it."""
Beats = Generator[Beat, Reply | None, Ending]
"""A whole turn."""


class Stopped(Exception):
    """Thrown into a turn: `session_id` (and what it started) must end now."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class Aborted(Stopped):
    """A person aborted it."""


class Gone(Stopped):
    """Its session was deleted: nothing of it can be stored any more."""
