"""The update tokens of the app's activities at the relay: what the relay should know, told until it does."""

from collections.abc import Awaitable, Callable

from simulator.phone.app.relay_client import Reply
from simulator.phone.tasks import Tasks

Key = tuple[str, str]
"""The account of a pairing, and a session id."""

Tell = Callable[[str, str, str | None], Awaitable[Reply]]
"""Registers `(account, session_id, token)` at the relay, or with None unregisters the session."""


class ActivityTokens:
    """One token for each session. Calls about one session never overtake each other, and only the newest wish is told.

    So an activity that takes the place of another is never unregistered by the end of that other one: the relay's
    /v1/activity/unregister names a session, no token.
    """

    def __init__(self, tell: Tell, tasks: Tasks) -> None:
        self._tell = tell
        self._tasks = tasks
        self._wanted: dict[Key, str | None] = {}
        self._told: dict[Key, str | None] = {}
        self._telling: set[Key] = set()

    def register(self, account: str, session_id: str, token: str) -> None:
        """From now on pushes for this session are for this token. Telling the same again is harmless, and done."""
        key = (account, session_id)
        self._told.pop(key, None)
        self._want(key, token)

    def unregister(self, account: str, session_id: str) -> None:
        """The session's activity is over; nothing is said if the relay never heard of one."""
        key = (account, session_id)
        if key in self._wanted:
            self._want(key, None)

    @property
    def registered(self) -> frozenset[Key]:
        """The sessions whose activity the relay knows, or will be told of."""
        return frozenset(key for key, token in self._wanted.items() if token is not None)

    def forget(self) -> None:
        """The app was ended: it has no memory of what it told."""
        self._wanted.clear()
        self._told.clear()

    def _want(self, key: Key, token: str | None) -> None:
        self._wanted[key] = token
        if key not in self._telling:
            self._telling.add(key)
            self._tasks.start(self._until_told(key), f"activity-token-{key[1]}")

    async def _until_told(self, key: Key) -> None:
        """A relay that refuses, or stays away for longer than the app's patience, is asked again only at the next wish."""
        try:
            while key in self._wanted and self._told.get(key, "") != self._wanted[key]:
                token = self._wanted[key]
                await self._tell(*key, token)
                self._told[key] = token
        finally:
            self._telling.discard(key)
        if self._wanted.get(key, "") is None:
            del self._wanted[key], self._told[key]
