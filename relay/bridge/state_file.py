"""What one bridge leaves to the next, in a file: which runs are open and until when all is known; no words of the user."""

import asyncio
import hashlib
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec

from relay.contract import Event
from relay.log import line

log = logging.getLogger("relay.bridge.state_file")

PAUSE = 1.0
"""Seconds between two writes: what is lost with a kill in between, the server's answers make up for."""


class OpenRuns:
    """The runs of root sessions whose beginning the relay knows, and not yet their end. Pure.

    Whichever of them does not run when the next bridge starts has ended unreported. `changed`: the set is another one.
    """

    def __init__(self, session_ids: Iterable[str] = (), changed: Callable[[], None] = lambda: None) -> None:
        self._ends: dict[str, str | None] = dict.fromkeys(session_ids)  # the eventID of an end on its way
        self._changed = changed

    def restore(self, session_ids: Iterable[str]) -> None:
        """These were open when an earlier bridge ended."""
        self._ends |= dict.fromkeys(session_ids)

    def ids(self) -> list[str]:
        """The open ones, oldest first."""
        return list(self._ends)

    def open(self, session_id: str) -> bool:
        """Whether a run goes on: no end of it is on its way."""
        return session_id in self._ends and self._ends[session_id] is None

    def begin(self, session_id: str) -> None:
        """A run began; an end on its way is that of the run before."""
        known = session_id in self._ends
        self._ends[session_id] = None
        if not known:
            self._changed()

    def end(self, session_id: str, event_id: str) -> None:
        """The event that reports the end is on its way to the relay."""
        known = session_id in self._ends
        self._ends[session_id] = event_id
        if not known:
            self._changed()

    def done(self, event: Event) -> None:
        """The relay has taken or refused this event."""
        if event.event_id is not None and self._ends.get(event.session_id) == event.event_id:
            del self._ends[event.session_id]
            self._changed()


class State(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`seen_at`: until when (UNIX milliseconds, by OpenCode's clock) everything is known. `runs`: the root sessions that were
    running. `used`: when the sessions that were used last were used. `server`: which server it was, "" if that is not known;
    `url`: where it listened, "" if another server listens there now.
    """

    seen_at: float | None
    runs: list[str] = []
    used: dict[str, float] = {}
    server: str = ""
    url: str = ""


def state_file(secret_file: Path, opencode_url: str) -> Path:
    """Beside the secret, one for each OpenCode server."""
    return secret_file.with_name(f"bridge-{_digest(opencode_url)}.json")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_state(path: Path) -> State | None:
    """What an earlier bridge knew, None if there was none or its file cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning(line("state lost", path=path, reason=type(error).__name__))
        return None


class StateFolder:
    """The state files of all servers, beside the secret. A server that listens elsewhere than before is the same one."""

    def __init__(self, secret_file: Path, url: str) -> None:
        self._folder, self._url = secret_file.parent, url
        self.path = state_file(secret_file, url)

    def own(self, server: str) -> State:
        """What an earlier bridge knew of this server at its URL. What one knew of another server there is set aside."""
        state = read_state(self.path)
        if state is None:
            return State(seen_at=None)
        if not server or state.server in ("", server):
            return state
        aside = self.path.with_name(f"bridge-{_digest(f'{self._url}|{state.server}')}.json")
        try:
            write_state(aside, msgspec.structs.replace(state, url=""))
        except OSError as error:
            log.warning(line("state not kept", path=aside, reason=error.strerror))
        return State(seen_at=None)

    def elsewhere(self, server: str) -> list[tuple[Path, State]]:
        """What bridges knew of this server at other URLs, with the files."""
        if not server:
            return []
        others = (path for path in sorted(self._folder.glob("bridge-*.json")) if path != self.path)
        states = [(path, state) for path in others if (state := read_state(path))]
        return [(path, state) for path, state in states if state.server == server]


def joined(state: State, other: State) -> State:
    """What both of them say of one server."""
    times = [one for one in (state.seen_at, other.seen_at) if one is not None]
    return msgspec.structs.replace(
        state,
        seen_at=min(times, default=None),
        runs=list(dict.fromkeys([*other.runs, *state.runs])),
        used=other.used | state.used,
    )


def write_state(path: Path, state: State) -> None:
    """Replace the file in one step; only its owner can read it. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600 from the start
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(state))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class StateWriter:
    """Writes `state()` soon after `touch`, not more often than every `PAUSE` seconds, and when it is closed.

    `path` None: not known before `move`, which comes before `start`.
    """

    def __init__(
        self,
        path: Path | None,
        state: Callable[[], State],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._state = state
        self._sleep = sleep
        self._touched = asyncio.Event()
        self._complained = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on. Needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="bridge-state")

    def move(self, path: Path) -> None:
        """From now on the state is in another file: the server listens elsewhere."""
        before, self._path = self._path, path
        if before is not None:
            if before != path:
                before.unlink(missing_ok=True)
            self.touch()

    def touch(self) -> None:
        """The state is another one now."""
        self._touched.set()

    async def close(self, _: float) -> None:
        """Write a last time, if it was started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._write()

    async def _run(self) -> None:
        while True:
            await self._touched.wait()
            self._touched.clear()
            self._write()
            await self._sleep(PAUSE)

    def _write(self) -> None:
        assert self._path, "where the state is kept is known when the server is"
        try:
            write_state(self._path, self._state())
        except OSError as error:
            if not self._complained:
                log.warning(line("state not kept", path=self._path, reason=error.strerror))
            self._complained = True
        else:
            self._complained = False
