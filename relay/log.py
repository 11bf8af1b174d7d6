"""Log lines as key=value or JSON, and how they reach stderr: one write for all lines of one turn of the event loop, because a busy
relay logs thousands a second.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMS = ("text", "json")
_UNQUOTED = (bool, int, float)


class Line(str):
    """The text of a line, and what it was made of."""

    __slots__ = ("fields", "what")
    what: str
    fields: dict[str, object]


def line(what: str, **fields: object) -> Line:
    """`what key=value key="value with spaces"`: always one line. Fields that are None are left out."""
    fields = {key: value for key, value in fields.items() if value is not None}
    text = Line(" ".join([what, *(f"{key}={_value(value)}" for key, value in fields.items())]))
    text.what, text.fields = what, fields
    return text


def _value(value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    bare = text and text.isprintable() and " " not in text and '"' not in text and "=" not in text
    return text if bare else json.dumps(text, ensure_ascii=not text.isprintable())


def install(level: int, stream: TextIO, formatter: logging.Formatter | None = None) -> None:
    """Every logger writes to `stream` what is of this level or above."""
    handler = TurnHandler(stream)
    handler.setFormatter(formatter or Formatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    # Nothing of these is in our format, and each costs at every line (Python, Logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def level_in(environment: Mapping[str, str], usual: int) -> int:
    """RELAY_LOG_LEVEL; what it cannot be is the usual one here, and refused where settings are checked."""
    return LEVELS.get(environment.get("RELAY_LOG_LEVEL", "").strip().lower(), usual)


def is_json(environment: Mapping[str, str]) -> bool:
    """Whether RELAY_LOG wants JSON."""
    return environment.get("RELAY_LOG", "").strip().lower() == "json"


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
    """Python's own with UTC times, of which each second is formatted only once."""

    _second, _text = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002 - Python's names
        """`2026-11-21T10:44:02.123Z` (RFC 3339)."""
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._text}.{int(record.msecs):03d}Z"


class JsonFormatter(Formatter):
    """One JSON object a line: `at`, `level`, `logger`, `what`, the fields, and `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """A field that is called as one of these gets an underscore."""
        said = record.msg
        fields = said.fields if isinstance(said, Line) else {}
        entry: dict[str, object] = {
            "at": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "what": said.what if isinstance(said, Line) else record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        entry |= {f"{key}_" if key in entry else key: _plain(value) for key, value in fields.items()}
        return json.dumps(entry, ensure_ascii=False)


def _plain(value: object) -> object:
    return value if isinstance(value, _UNQUOTED) else str(value).encode(errors="replace").decode()


class TurnHandler(logging.StreamHandler[TextIO]):
    """Lines wait for the end of the turn in which they were written; warnings do not, nor what is logged outside a loop."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, or write it with those that wait; an empty one is none."""
        try:
            if not (text := self.format(record)):
                return
            self._lines.append(text + self.terminator)
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
