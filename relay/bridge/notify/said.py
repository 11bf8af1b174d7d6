"""What an agent said last, as a person reads it on a lock screen: the last paragraph or question, as plain text. Pure.

Models put their reasoning into the text as <think>…</think>, the first tag often missing (ZJU-REAL/HugAgentOS#69,
open-webui/open-webui#26299), and write Markdown, which no notification draws (https://spec.commonmark.org).
"""

import re
from collections.abc import Callable
from typing import Final

from relay.bridge.notify.text import MAX_SAID, sentence
from relay.text import cut

READ: Final = 20_000
"""Characters from the end of the text that are read."""
READ_LINES: Final = 2000
"""The same for the last line."""

_TAG = r"(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|antthinking|system-reminder)"
_THINKING: Final = (
    re.compile(rf"<({_TAG})\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(
        rf"\A.*</{_TAG}\s*>", re.DOTALL | re.IGNORECASE
    ),  # it began before what was read, or without a tag
    re.compile(rf"<{_TAG}\b[^>]*>.*\Z", re.DOTALL | re.IGNORECASE),  # it never ended
    re.compile(r"<details\b.*?(?:</details>|\Z)", re.DOTALL | re.IGNORECASE),
    re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL),
)
_FENCE: Final = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_BLOCKS: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = tuple(
    (re.compile(pattern, re.MULTILINE), plain)
    for pattern, plain in (
        (r"^[ \t]*(?:[-*_][ \t]*){3,}$|^[ \t]*=+[ \t]*$", ""),  # rules and underlines
        (r"^[ \t]*\[[^\]]+\]:[ \t]*\S+.*$", ""),  # where links lead
        (r"^[ \t]*\|?[ \t:|-]*-{2,}[ \t:|-]*\|?[ \t]*(?:\n|\Z)", ""),  # between a table's head and body
        (r"^[ \t]*(?:>[ \t]?)+", ""),
        (r"^([ \t]*)[-*+][ \t]+\[[ xX]\][ \t]+", r"\1- "),
        (r"^([ \t]*)[*+][ \t]+", r"\1- "),
        (r"^[ \t]*\|(.+)\|[ \t]*$", lambda row: ", ".join(cell.strip() for cell in row[1].split("|"))),
    )
)
_INLINE: Final = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"!\[([^\]]*)\]\([^)]*\)", r"\1"),
        (r"\[([^\]]+)\]\((?:[^()]|\([^)]*\))*\)", r"\1"),
        (r"\[([^\]]+)\]\[[^\]]*\]", r"\1"),
        (r"\[\^[^\]]+\]", ""),
        (r"<((?:https?|mailto):[^>\s]+)>", r"\1"),
        (r"</?[a-zA-Z][^<>\n]{0,200}>", ""),
        (r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", r"\2"),
        (r"(?<![\w*\\])(\*{1,3})(?=\S)([^*\n]+?)(?<=[^\s\\])\1(?!\*)", r"\2"),
        (r"(?<![\w_\\])(_{1,3})(?=\S)([^\n]+?)(?<=\S)\1(?![\w_]|\.\w)", r"\2"),
        (r"~~(?=\S)(.+?)(?<=\S)~~", r"\1"),
        (r"\\([\\`*_{}\[\]()#+.!|~<>-])", r"\1"),
        (r"&nbsp;", " "), (r"&lt;", "<"), (r"&gt;", ">"), (r"&quot;", '"'), (r"&#39;", "'"), (r"&amp;", "&"),
    )
)  # fmt: skip
_HEADING: Final = re.compile(r"^[ \t]*#{1,6}[ \t]+(.*?)[ \t]*#*$", re.MULTILINE)
_ITEM: Final = re.compile(r"[ \t]*(?:-|\d{1,3}[.)])[ \t]+")
_QUESTION_MARKS: Final = "?？؟՞"
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？؟])[\"'”’)\]]*\s+|(?<=[。！？])")


def last_words(text: str, limit: int = MAX_SAID) -> str:
    """The last paragraph of `text`, with what leads to it if it is a list, or the question at the end; "" if there is none.

    On one line of at most `limit` characters. A question that does not fit with what stands before it is kept alone.
    """
    paragraphs = _paragraphs(_without_thinking(text[-READ:]))
    said = sentence(" ".join(_last(paragraphs)))
    return said if len(said) <= limit else cut(_question(said) or said, limit)


def last_line(text: str) -> str:
    """The last line of an answer that is being written that says something, as plain text."""
    said = _without_thinking(text[-READ_LINES:])
    for pattern, plain in _BLOCKS:
        said = pattern.sub(plain, said)
    lines = (_plain(_HEADING.sub(r"\1", line)).strip() for line in reversed(said.splitlines()))
    return next((line for line in lines if any(map(str.isalnum, line))), "")


def _without_thinking(text: str) -> str:
    for pattern in _THINKING:
        text = pattern.sub("", text)
    return text


def _paragraphs(text: str) -> list[str]:
    """In plain text. Code is one only if there is nothing else, and so is a heading."""
    without_code = _FENCE.sub("\n\n", text)
    if not any(map(str.isalnum, without_code)):
        without_code = re.sub(r"^[ \t]*(?:`{3,}|~{3,})[^\n]*$", "", text, flags=re.MULTILINE)
    for pattern, plain in _BLOCKS:
        without_code = pattern.sub(plain, without_code)
    without_headings = _HEADING.sub("\n\n", without_code)
    without_code = (
        without_headings if any(map(str.isalnum, without_headings)) else _HEADING.sub(r"\1", without_code)
    )
    parts = (_plain(part).strip() for part in re.split(r"\n[ \t]*\n", without_code.replace("\r\n", "\n")))
    return [part for part in parts if any(map(str.isalnum, part))]


def _plain(paragraph: str) -> str:
    for pattern, plain in _INLINE:
        paragraph = pattern.sub(plain, paragraph)
    return paragraph


def _last(paragraphs: list[str]) -> list[str]:
    """The last paragraph; a list with what stands before it; a question before a last short word to the reader."""
    if not paragraphs:
        return []
    start = len(paragraphs) - 1
    while start and _ITEM.match(paragraphs[start]):
        start -= 1
    if (
        start
        and not _asks(" ".join(paragraphs[start:]))
        and _asks(paragraphs[start - 1][-1:])
        and len(paragraphs[start]) <= 200
    ):
        start -= 1
    return [" ".join(line.strip() for line in one.splitlines()) for one in paragraphs[start:]]


def _asks(text: str) -> bool:
    return any(mark in text for mark in _QUESTION_MARKS)


def _question(said: str) -> str:
    """From the last question on; "" if nothing is asked."""
    at = max(said.rfind(mark) for mark in _QUESTION_MARKS)
    if at < 0:
        return ""
    begins = [end.end() for end in _SENTENCE_END.finditer(said[:at])]
    return said[begins[-1] if begins else 0 :]
