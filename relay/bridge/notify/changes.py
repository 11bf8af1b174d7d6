"""What can change about a session that somebody must act on: the words between the fold and the announcer."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "started", "progress", "asked", "answered", "complete", "error", "stopped", "interrupted", "unknown"
]


@dataclass(frozen=True, slots=True)
class Change:
    """Something to act on.

    - `started`: a root session's run began; `progress`: what its card shows may be different now.
    - `asked`, `answered`: a permission or question (`fact` is its id) waits for the user, or does not wait any more,
      be it that it was answered, or that its session stopped or was deleted. `text` says what is asked.
    - `complete`, `error`: the run ended; `fact` is the id of its newest message, or of OpenCode's event if no message
      was seen. `text` holds the error's own words.
    - `stopped`: the run ended because the user wanted it; it does not ring. `interrupted`: because the server stopped.
    - `unknown`: the fold has not seen this session being created and must `learn` it; other changes wait for that.

    `session_id` is a root session's, except for `unknown`. The words of a fact do not make it another fact.
    """

    kind: Kind
    session_id: str
    fact: str = ""
    text: str = field(default="", compare=False)
