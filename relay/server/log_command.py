"""`relay log`: the newest deliveries, those to come, or the story of one, from the relay's database."""

import asyncio
import json
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relay.errors import CommandError
from relay.server import story
from relay.server.store import devices, log, secrets
from relay.server.store.database import opened
from relay.server.store.log import Logged, Wanted
from relay.server.store.sql import Database
from relay.text import cut

SHORTEST = 6
"""Characters of an id or of a secret's hash: fewer may be another's by chance."""
LAST, MOST = 20, 1000
"""Deliveries that are printed: where nothing is said, and at most."""
FOLLOW_SECONDS = 1.0
LONGEST_LIFE_MS = 25 * 3_600_000
"""No alert is tried for longer."""
NAME = 13
"""Columns for a secret's name, or the beginning of its hash."""

Print = Callable[[str], None]


class NotClear(CommandError):
    """It is not clear what is to be printed."""


@dataclass(frozen=True, slots=True)
class Question:
    """What `relay log` was asked. `since`: seconds; `columns`: of the terminal, None where there is none."""

    delivery: str | None = None
    secret: str | None = None
    last: int | None = None
    since: float | None = None
    failed: bool = False
    follow: bool = False
    as_json: bool = False
    columns: int | None = None


async def answer(database_url: str, question: Question, print_line: Print, stop: asyncio.Event) -> None:
    """Print it. Raises NotClear and DatabaseError."""
    async with opened(database_url, must_exist=True) as db:
        if question.delivery is not None:
            await _print_story(db, question.delivery, question, print_line)
            return
        wanted = await _wanted(db, question)
        last = question.last or (MOST if question.since is not None else LAST)
        found = (await log.newest(db, wanted, limit=last)).found
        lines = Lines(question, print_line)
        await lines.write(db, found[::-1])
        if question.follow:
            await _follow(db, wanted, found, lines, stop)
        elif not found and not question.as_json:
            print_line("no delivery is in the log" + (" like that" if wanted != Wanted() else ""))


async def _wanted(db: Database, question: Question) -> Wanted:
    return Wanted(
        secret_hash=await secret_called(db, question.secret) if question.secret is not None else None,
        status="failed" if question.failed else None,
        since_ms=int((time.time() - question.since) * 1000) if question.since is not None else 0,
    )


async def secret_called(db: Database, word: str) -> str:
    """The hash of the secret with that name, or the one that begins like that. Raises NotClear."""
    if (found_by_name := await secrets.called(db, word.strip())) is not None:
        return found_by_name
    word = word.strip().rstrip("….").lower()
    if len(word) < SHORTEST:
        raise NotClear(
            f"no secret has the name {word!r}; of a secret's hash give at least {SHORTEST} characters, as relay phones prints it"
        )
    found = await secrets.beginning_with(db, word)
    if len(found) != 1:
        raise NotClear(
            f"{'no secret has' if not found else 'several secrets have'} a hash that begins with {word!r}: relay phones lists all"
        )
    return found.pop()


async def _print_story(db: Database, word: str, question: Question, print_line: Print) -> None:
    word = word.strip().rstrip("….").lower()
    if len(word) < SHORTEST:
        raise NotClear(f"give at least {SHORTEST} characters of the delivery's id, as relay log prints it")
    found = await log.beginning_with(db, word, limit=2)
    if len(found) != 1:
        raise NotClear(
            f"{'no delivery has' if not found else 'several deliveries have'} an id that begins with {word!r}: relay log lists the newest"
        )
    one = found[0]
    names = await secrets.names(db, [one.secret_hash])
    if question.as_json:
        print_line(json.dumps(story.as_json(one, names.get(one.secret_hash)), ensure_ascii=False))
        return
    registered = await devices.is_there(db, one.device_id)
    for text in story_lines(one, names, registered=registered):
        _print_wrapped(text, question.columns, print_line)


async def _follow(
    db: Database, wanted: Wanted, found: Sequence[Logged], lines: "Lines", stop: asyncio.Event
) -> None:
    """Print what is new, and what was waiting when it goes on, until somebody stops it."""
    began = int(time.time() * 1000)
    newest = max((one.created_at for one in found), default=began)
    while not await _stopped(stop):
        # One that fails now may have been planned a day ago.
        since = began - LONGEST_LIFE_MS if wanted.status else newest
        page = await log.newest(db, wanted._replace(since_ms=since), limit=MOST)
        waiting = await log.by_id(db, lines.waiting)
        fresh = {one.id: one for one in (*waiting, *page.found) if one.updated_at >= min(began, newest)}
        await lines.write(db, sorted(fresh.values(), key=lambda one: (one.updated_at, one.id)))
        newest = max((newest, *(one.created_at for one in page.found)))


async def _stopped(stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(FOLLOW_SECONDS):
            await stop.wait()
    except TimeoutError:
        return False
    return True


class Lines:
    """Prints a delivery when it is new, and again when an attempt has ended."""

    def __init__(self, question: Question, print_line: Print) -> None:
        self._question, self._print = question, print_line
        self._printed: dict[str, tuple[str, int]] = {}

    @property
    def waiting(self) -> list[str]:
        """Ids of those that were queued when they were printed."""
        return [apns_id for apns_id, (status, _) in self._printed.items() if status == "queued"][-MOST:]

    async def write(self, db: Database, found: Sequence[Logged]) -> None:
        """Those that are not yet printed as they are."""
        fresh = [one for one in found if self._printed.get(one.id) != (one.status, one.attempts)]
        names = await secrets.names(db, (one.secret_hash for one in fresh))
        for one in fresh:
            self._printed[one.id] = (one.status, one.attempts)
            self._write(one, names)
        while len(self._printed) > 4 * MOST:
            del self._printed[next(iter(self._printed))]

    def _write(self, one: Logged, names: dict[str, str]) -> None:
        if self._question.as_json:
            self._print(json.dumps(story.as_json(one, names.get(one.secret_hash)), ensure_ascii=False))
            return
        for text in log_lines(one, names):
            _print_wrapped(text, self._question.columns, self._print)


def log_lines(one: Logged, names: dict[str, str]) -> list[str]:
    """One line, and for what was not sent at once a second that says why. Pure."""
    name = cut(story.named(one.secret_hash, names), NAME)
    line = (
        f"{story.short_utc(one.created_at)}  {one.status:<6}  {_kind(one):<5}  {one.event_type:<10}  {name:<{NAME}}  "
        f"…{one.token_suffix:<8}  {one.id[:8]}"
    )
    why = story.why(one)
    return [line, f"    {why}"] if why else [line]


def _kind(one: Logged) -> str:
    return "alert" if one.push_type == "alert" else "card"


def story_lines(one: Logged, names: dict[str, str], *, registered: bool) -> list[str]:
    """Everything that is known of it. Pure."""
    fields = {
        "event": f"{one.event_type}, {one.event_id}",
        "session": one.session_id,
        "secret": story.named(one.secret_hash, names),
        "phone": f"…{one.token_suffix}, {'registered' if registered else 'not registered any more'}",
        "app": f"{one.topic} ({one.apns_env})",
        "planned": story.utc(one.created_at),
    }
    head = f"{_kind(one)} {one.id}  {one.status}"
    lines = [head, *(f"  {name:<8} {words}" for name, words in fields.items())]
    for each in story.attempts(one):
        took = f", {story.seconds(each.latency_ms)}" if each.latency_ms is not None else ""
        lines.append(
            f"  {each.number:>3}. {story.utc(each.at)}  {story.answer(each.http_status, each.reason, each.error)} ({each.apns_env}{took})"
        )
        if known := story.meaning(each.reason):
            lines += [
                f"       {text}" for text in (known.sentence, f"[{known.source}]", known.advice) if text
            ]
    return [*lines, f"  {story.then(one)}"]


def _print_wrapped(text: str, columns: int | None, print_line: Print) -> None:
    """In a terminal a long line goes on below itself; elsewhere every line stays whole, for programs."""
    if columns is None or len(text) <= columns:
        print_line(text)
        return
    indent = " " * (len(text) - len(text.lstrip()))
    wrapped = textwrap.wrap(text.strip(), max(20, columns - len(indent)), break_on_hyphens=False)
    for part in wrapped:
        print_line(indent + part)
