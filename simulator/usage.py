"""A command line that cannot be understood: one plain sentence, the nearest that there is, and exit status 2. No I/O but argparse's own."""

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn, TypeVar

T = TypeVar("T")

_CHOICE = re.compile(r"argument (?P<name>[^:]+): invalid choice: (?P<given>.*) \(choose from (?P<choices>.*)\)", re.DOTALL)  # fmt: skip
_VALUE = re.compile(r"argument (?P<name>[^:]+): invalid (?P<kind>\w+) value: (?P<given>.*)", re.DOTALL)
_ARGUMENT = re.compile(r"argument (?P<name>[^:]+): (?P<words>.*)", re.DOTALL)
_REQUIRED = "the following arguments are required: "
_KINDS = {"int": "a whole number", "float": "a number", "Path": "a path"}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence. `commands` parse their own with the same."""

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: {sentence(message)} (see {self.prog} --help)\n")

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """All of it, or the end: what a command does not know is named with the nearest that it knows."""
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            parser: Parser = getattr(arguments, "parser", self)
            parser.error(unknown_words(unknown, parser.options))
        return arguments

    @property
    def options(self) -> list[str]:
        """What it knows, as it is written."""
        return [word for action in self._actions for word in action.option_strings if word.startswith("--")]


def sentence(message: str) -> str:
    """argparse's message as a sentence for people; what is in no row is kept as it is."""
    if found := _CHOICE.fullmatch(message):
        choices = re.findall(r"'([^']*)'|([^', ]+)", found["choices"])
        return _choice(found["name"], found["given"].strip("'"), [one or other for one, other in choices])
    if found := _VALUE.fullmatch(message):
        return f"{found['name']} takes {_KINDS.get(found['kind'], 'another value')}, not {found['given']}"
    if message.startswith(_REQUIRED):
        missing = message.removeprefix(_REQUIRED)
        return "which command?" if missing == "COMMAND" else f"{missing} is missing"
    if found := _ARGUMENT.fullmatch(message):
        return f"{found['name']}: {found['words']}"
    return message


def _choice(name: str, given: str, choices: Sequence[str]) -> str:
    near = nearest(given, choices)
    if name == "COMMAND":
        return f"there is no command {given!r}; {near or f'there are {_list(choices)}'}"
    return f"{name} is {' or '.join(choices)}, not {given!r}" + (f"; {near}" if near else "")


def unknown_words(unknown: Sequence[str], options: Iterable[str]) -> str:
    """What was given and is nothing that the command knows."""
    word = next((one for one in unknown if one.startswith("-")), unknown[0]).partition("=")[0]
    if not word.startswith("-"):
        return f"{word!r} is one argument too many"
    near = nearest(word, options)
    return f"there is no option {word!r}" + (f"; {near}" if near else "")


def nearest(given: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, "" if nothing is near."""
    found = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def _list(words: Sequence[str]) -> str:
    return ", ".join(words)


def number(kind: Callable[[str], T], fits: Callable[[T], bool], wanted: str) -> Callable[[str], T]:
    """A type of an option: what `kind` reads and `fits`; everything else is refused with what is `wanted`."""

    def read(text: str) -> T:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return read
