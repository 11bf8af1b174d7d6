"""The words of people in a recording. Recordings are of a model by script, which says "word0 word1"; they stay as they are. No I/O.

Beside a recording lies `<name>.words.json`, and what is in no such file has a common text:

    {
      "titles": {"bash once": "Push the fix"},      titles of sessions
      "texts": {"word": "All 214 tests pass."},     what the n-th word of a script says: word0 is "All"
      "strings": {"echo hello": "git push"},        whole strings, wherever they stand: commands, patterns, descriptions
      "prompt": "Push it, please."                  instead of the script that was the prompt
    }

Word goes for word, so that a text which streams, is sent whole, or is cut off says the same everywhere.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

SCRIPT: Final = "@@["
"""How the prompts of the recordings begin: what the model shall do."""

_STEMS: Final = "naïve✓|word|child|parent|one|two|second|third|done|launched"
_WORD: Final = re.compile(rf"(?<![A-Za-z0-9_])({_STEMS})(\d+)(?![A-Za-z0-9_])")

PROMPT: Final = "Please fix it, and run the tests."
STRINGS: Final = {
    "Runs a demo command": "Runs the command",
    "Hello from the fake provider.": "Done, all tests pass.",
}
SHORT: Final = {
    2: "Started it.",
    3: "All tests pass.",
    4: "All 214 tests pass.",
    5: "Fixed, and all tests pass.",
    8: "The build is green again on every platform.",
    10: "The login works again, and all 214 tests are green.",
}
"""A whole answer, by the number of its words."""
LONG: Final = (
    "The login failed because the session cookie had no path, so that browsers kept it back on every other page. "
    "It has one now, and a new test opens two pages as a person would; all 214 tests pass twice. "
    "Nothing else had to change: the cookie of the old name is still read and goes away within one week."
)
"""A longer answer; its sentences end at 20, 40 and 60 words, as the answers of most scripts do."""


@dataclass(frozen=True, slots=True)
class Words:
    """One such file; see above."""

    titles: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    strings: Mapping[str, str] = field(default_factory=dict)
    prompt: str = PROMPT


def read_words(data: Json) -> Words:
    """The words in the JSON object of a file."""
    return Words(**data)


class Wording:
    """Puts words into the values of one recording; `values` are all of them, by which it knows how long each text is."""

    def __init__(self, words: Words, values: Iterable[Any]) -> None:
        counts: dict[str, int] = {}
        for text in _strings(list(values)):
            for stem, number in _WORD.findall(text):
                counts[stem] = max(counts.get(stem, 0), int(number) + 1)
        self._words = words
        self._strings = {**STRINGS, **words.strings}
        self._said = {
            stem: (words.texts.get(stem) or _answer(count)).split(" ") for stem, count in counts.items()
        }

    def title(self, title: str) -> str:
        """What a session with this title is called."""
        return self._words.titles.get(title, title)

    def put(self, value: Any) -> Any:
        """The same value with words in it."""
        if isinstance(value, dict):
            is_session = "title" in value and (
                str(value.get("id")).startswith("ses_") or "sessionID" in value
            )
            return {
                name: self.title(one)
                if name == "title" and is_session and isinstance(one, str)
                else self.put(one)
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self.put(one) for one in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if text in self._strings:
            return self._strings[text]
        return self._words.prompt if SCRIPT in text else _WORD.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        said = self._said[found[1]]
        return said[int(found[2]) % len(said)]


def _answer(count: int) -> str:
    """So many words, ended by a full stop."""
    if count in SHORT:
        return SHORT[count]
    words = LONG.split(" ")
    return LONG if count >= len(words) else f"{' '.join(words[:count]).rstrip('.,;')}."


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)
