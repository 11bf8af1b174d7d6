"""What a Live Activity of our app says about a session, in the four fields of its content-state. No I/O."""

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["working", "retry", "permission", "complete", "error"]

LONGEST_MESSAGE = 120
"""Characters of `last_message`: what fits on the card."""


@dataclass(frozen=True, slots=True)
class ContentState:
    """One state of a session. `retry_info` reads "Retry 2 in 8s" while the status is retry, else it is None."""

    status: Status
    session_title: str
    last_message: str
    retry_info: str | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing comes after it."""
        return self.status in {"complete", "error"}

    def fields(self) -> dict[str, Any]:
        """As the app's widget reads it."""
        return {
            "status": self.status,
            "sessionTitle": self.session_title,
            "lastMessage": self.last_message,
            "retryInfo": self.retry_info,
        }


def one_line(text: str) -> str:
    """A text as one line that fits on the card; "…" shows that it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1].rstrip() + "…"
