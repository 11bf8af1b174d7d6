"""Log lines as key=value, and how they reach stderr: one write for all lines of one turn of the event loop, because a busy
relay logs thousands a second.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def line(what: str, **fields: object) -> str:
    """`what key=value key="value with spaces"`: always one line. Fields that are None are left out."""
    words = [what]
    words += [f"{key}={_value(value)}" for key, value in fields.items() if value is not None]
    return " ".join(words)


def _value(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    bare = text and text.isprintable() and " " not in text and '"' not in text and "=" not in text
    return text if bare else json.dumps(text, ensure_ascii=not text.isprintable())


def install(level: int, stream: TextIO) -> None:
    """Every logger writes to `stream` what is of this level or above."""
    handler = TurnHandler(stream)
    handler.setFormatter(Formatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    # Nothing of these is in our format, and each costs at every line (Python, Logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class Folded:
    """Lines that come again and again: the first of a kind in a minute is written whole, the others are counted, and one line says how
    many they were when the minute is over. `monotonic` is in seconds.
    """

    SECONDS, MOST = 60.0, 200
    """Of so many kinds in a minute; further ones are one kind."""

    def __init__(self, log: logging.Logger, monotonic: Callable[[], float]) -> None:
        self._log, self._monotonic = log, monotonic
        self._kinds: dict[tuple[tuple[str, object], ...], _Kind] = {}

    def write(self, level: int, text: str, **kind: object) -> None:
        """Write the line, or count it with those of its kind."""
        self.flush()
        key = tuple(kind.items())
        if key not in self._kinds and len(self._kinds) >= self.MOST:
            key = ()
        if (known := self._kinds.get(key)) is not None:
            known.level = max(known.level, level)
            known.more += 1
            return
        self._kinds[key] = _Kind(level, self._monotonic() + self.SECONDS)
        self._log.log(level, text)

    def flush(self, *, all_of_them: bool = False) -> None:
        """Say how many lines were left out in the minutes that are over."""
        now = self._monotonic()
        for key, kind in list(self._kinds.items()):  # in the order in which their minutes end
            if not all_of_them and now < kind.ends:
                return
            del self._kinds[key]
            if kind.more:
                self._log.log(kind.level, line("and more of the same", lines=kind.more, **dict(key)))


@dataclass(slots=True)
class _Kind:
    """Lines of one kind that were left out in the minute that ends then."""

    level: int
    ends: float
    more: int = 0


class Formatter(logging.Formatter):
    """Python's own, which formats the time of a second only once."""

    _second, _text = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - Python's name
        """`2026-11-21 10:44:02,123`, local time."""
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._text = time.strftime(datefmt or self.default_time_format, time.localtime(second))
        return f"{self._text},{int(record.msecs):03d}"


class TurnHandler(logging.StreamHandler[TextIO]):
    """Lines wait for the end of the turn in which they were written; warnings do not, nor what is logged outside a loop."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, or write it with those that wait."""
        try:
            self._lines.append(self.format(record) + self.terminator)
            if record.levelno >= logging.WARNING or not (loop := _running_loop()):
                self.flush()
            elif len(self._lines) == 1:
                loop.call_soon(self.flush)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write("".join(lines))
            super().flush()
        finally:
            self.release()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
