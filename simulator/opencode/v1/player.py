"""Plays recordings on a fake server: every event at its recorded time, as if the agent worked now."""

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.playing import DOWN_FOR, SUBSCRIBED_WITHIN, Played, send_when_due
from simulator.opencode.v1.replay import Replay, replay, seeds
from simulator.opencode.v1.server import OpenCodeServer
from simulator.recording import Recording


class Player:
    """Plays on one server, in the time of `clock`."""

    def __init__(self, server: OpenCodeServer, clock: Clock, journal: Journal) -> None:
        self._server = server
        self._clock = clock
        self._journal = journal

    async def play(
        self,
        recording: Recording,
        speed: float = 1.0,
        *,
        retime: bool = True,
        subscribed_within: float = SUBSCRIBED_WITHIN,
        down_for: float = DOWN_FOR,
    ) -> Played:
        """Send a recording `speed` times as fast, once somebody listens; return when its last event is out.

        What the recorded server knew from before is there at once, before anybody listens.
        Play 0 of a server keeps the recorded ids, each later one has its own. With `retime` the times inside the
        events are those of this play, not of the recording. A recording whose server was killed ends with the server
        cut, and started again `down_for` / speed seconds later on the same port. Raises TimeoutError if nobody opened
        /global/event within `subscribed_within` seconds of real time.
        """
        process = self._server.process
        number, process.plays = process.plays, process.plays + 1
        for seed in seeds(recording, number, speed, self._now_ms(retime)):
            process.state.seed(seed.session, seed.messages)
        await process.streams.subscribed(subscribed_within)
        prepared = replay(recording, number, speed, self._now_ms(retime))
        started = self._clock.now()
        self._journal.record("opencode", "play began", recording=recording.name, play=number)
        sent = await send_when_due(self._clock, prepared.cues, started, process.publish)
        await self._die(prepared, started, down_for / speed)
        self._journal.record("opencode", "play ended", recording=recording.name, play=number, events=sent)
        return Played(number, sent, prepared.sessions)

    def _now_ms(self, retime: bool) -> float | None:
        return self._clock.now() * 1000 if retime else None

    async def _die(self, prepared: Replay, started: float, down_for: float) -> None:
        if prepared.killed_at is None:
            return
        await self._clock.sleep(started + prepared.killed_at - self._clock.now())
        await self._server.cut()
        await self._clock.sleep(down_for)
        await self._server.start()
