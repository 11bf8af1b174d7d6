"""How versions of the engine behave where they differ, beyond the names that `wire` knows. No I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conduct:
    """How an engine behaves where versions differ, and an oddity of every version that can be switched on.

    `retries` of a refused model call at most, `longest` seconds apart, up to `jitter` more; `asks_again`: a resumed turn
    repeats the model call that was interrupted; `notice`: it says so in the transcript; `nested`: the progress of a
    subagent stands one level deeper; `refusal` is the error of a tool whose permission was refused with a message; `body`:
    errors hold the provider's answer. `late_reasoning`: the thoughts end after the text has begun.
    """

    retries: int = 10
    longest: float = 10.0
    jitter: float = 0.25
    asks_again: bool = True
    notice: bool = True
    nested: bool = False
    refusal: str = "permission.rejected"
    body: bool = True
    late_reasoning: bool = False


BETA = Conduct(
    retries=4, longest=16.0, jitter=0.0, asks_again=False, notice=False, nested=True,
    refusal="tool.execution", body=False,
)  # fmt: skip
"""The beta as recorded; later versions as their source was read, and 2.0.22 was recorded."""


def conduct_of(version: str) -> Conduct:
    """By the version that a server claims; a beta's begins with 0."""
    return BETA if version.startswith("0.") else Conduct()
