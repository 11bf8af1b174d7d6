"""What a command line asks for and prints, in a shell where only `echo` and `sleep` do anything. No I/O: nothing is executed.

Both generations of the server read command lines alike.
"""

import posixpath
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_TWO_WORDS = frozenset({"git", "npm", "docker", "cargo", "make"})
"""Commands whose second word belongs to the pattern that "always" allows: `git status *`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A command printed something: seconds after what came before, and all it has printed so far."""

    after: float
    output: str


def commands(line: str) -> list[str]:
    """The single commands of a line."""
    return [command.strip() for command in re.split(r";|&&|\|\|", line) if command.strip()]


def run(line: str) -> tuple[Chunk, ...]:
    """What a line prints, and when; the first chunk is empty, the last one is the end."""
    printed, after, found = "", 0.0, [Chunk(0.0, "")]
    for command in commands(line):
        word, _, rest = command.partition(" ")
        if word == "sleep":
            after += _seconds(rest)
        elif word == "echo":
            printed += f"{rest}\n"
            found.append(Chunk(after, printed))
            after = 0.0
    return (*found, Chunk(after, printed)) if after else tuple(found)


def always(command: str) -> str:
    """The pattern that "always" allows for a command."""
    words = command.split()
    return " ".join([*words[: 2 if words[0] in _TWO_WORDS else 1], "*"])


def covers(known: str, pattern: str) -> bool:
    """Whether what is allowed holds for a pattern: `git status *` allows `git status` too (read in OpenCode's code)."""
    return pattern == known.removesuffix(" *") or fnmatchcase(pattern, known)


def outside(command: str, directory: str) -> tuple[str, ...]:
    """The folders outside of the session's own that a command names."""
    paths = [word for word in command.split() if word.startswith("/") and not word.startswith("/dev/")]
    folders = dict.fromkeys(posixpath.dirname(path) for path in paths)
    return tuple(one for one in folders if not f"{one}/".startswith(f"{directory}/"))


def _seconds(text: str) -> float:
    """`sleep`'s operand; anything else takes no time."""
    try:
        return float(text)
    except ValueError:
        return 0.0
