"""A command line that cannot be understood: one plain sentence, the nearest that there is, and exit status 2."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn, TypeVar

T = TypeVar("T", int, float)

_CHOICE: Final = re.compile(
    r"argument (?P<name>[^:]+): invalid choice: (?P<given>.*) \(choose from (?P<choices>.*)\)", re.DOTALL
)
_ARGUMENT: Final = re.compile(r"argument (?P<name>[^:]+): (?P<words>.*)", re.DOTALL)
_MISSING: Final = "the following arguments are required: "


class Parser(argparse.ArgumentParser):
    """argparse's, which speaks in sentences. Each command sets `parser` to its own, so that its options can be suggested."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: {in_a_sentence(message)} (see {self.prog} --help)\n")

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """The arguments; or the end, where the command does not know one of them."""
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            command: Parser = getattr(arguments, "parser", self)
            command.error(unknown_words(unknown, command.options))
        return arguments

    @property
    def options(self) -> list[str]:
        """Its long options."""
        return [word for action in self._actions for word in action.option_strings if word.startswith("--")]


def in_a_sentence(message: str) -> str:
    """argparse's message for people. Pure, as all below."""
    if found := _CHOICE.fullmatch(message):
        choices = [one.strip(" '") for one in found["choices"].split(",")]
        return _no_choice(found["name"], found["given"].strip("'"), choices)
    if message.startswith(_MISSING):
        missing = message.removeprefix(_MISSING)
        return "which command?" if missing == "COMMAND" else f"{missing} is missing"
    if found := _ARGUMENT.fullmatch(message):
        return f"{found['name']} {found['words']}"
    return message


def _no_choice(name: str, given: str, choices: Sequence[str]) -> str:
    near = nearest(given, choices)
    if name == "COMMAND":
        return f"there is no command {given!r}: {near or 'there are ' + ', '.join(choices)}"
    return f"{name} is {' or '.join(choices)}, not {given!r}"


def unknown_words(unknown: Sequence[str], options: Iterable[str]) -> str:
    """What nobody knows, and what may have been meant."""
    word = next((one for one in unknown if one.startswith("-")), unknown[0]).partition("=")[0]
    if not word.startswith("-"):
        return f"{word!r} is one argument too many"
    near = nearest(word, options)
    return f"there is no option {word}" + (f": {near}" if near else "")


def nearest(given: str, known: Iterable[str]) -> str:
    """`did you mean ...?`; "" if nothing is near."""
    found = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def number(kind: Callable[[str], T], fits: Callable[[T], bool], wanted: str) -> Callable[[str], T]:
    """The type of an option whose value `kind` reads and `fits`; `wanted` says what else it should be."""

    def read(text: str) -> T:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"takes {wanted}, not {text!r}")
        return value

    return read


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def period(text: str) -> float:
    """`90s`, `15m`, `1h` or `2d` in seconds. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip().lower(), re.ASCII)
    if not found:
        raise ValueError(text)
    return float(int(found[1]) * _UNITS[found[2]])
