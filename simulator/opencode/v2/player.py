"""Plays recordings on a fake server of generation 2: every event at its recorded time, as if the agent worked now."""

from collections.abc import Sequence

from simulator.clock import Clock
from simulator.journal import Journal
from simulator.opencode.playing import DOWN_FOR, SUBSCRIBED_WITHIN, Played, send_when_due
from simulator.opencode.script import Json
from simulator.opencode.v2.replay import Life, Replay, shutdown
from simulator.opencode.v2.server import OpenCode2Server
from simulator.recording import Recording


class Player:
    """Plays on one server, in the time of `clock`."""

    def __init__(self, server: OpenCode2Server, clock: Clock, journal: Journal) -> None:
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
        """Send a recording `speed` times as fast, once somebody listens; return when all of it is over.

        Play 0 of a server keeps the recorded ids, each later one has its own. With `retime` the times inside the events
        are those of this play, not of the recording. A server that was stopped in the recording is stopped here, and
        started again on the same port: at its recorded time, or `down_for` / speed seconds later if that was not
        recorded. What the new one does begins when all are back who listened before: its recorded stream is that of a
        client which was there at once. Raises TimeoutError if nobody opened /api/event, or not all did again, within
        `subscribed_within` seconds of real time.
        """
        process = self._server.process
        number, process.plays = process.plays, process.plays + 1
        replay = Replay(recording, number, speed, retimed=retime)
        for seed in replay.seeds(self._now_ms):
            process.state.seed(seed.session, seed.transcript)
        await process.streams.subscribed(subscribed_within)
        self._journal.record("opencode", "play began", recording=recording.name, play=number)
        began = self._clock.now()
        sent = await self._live(replay.first(self._now_ms))
        if recording.killed_at is not None:
            listeners = len(process.streams.subscriptions)
            down = (recording.restart.opened - recording.killed_at) if recording.restart else down_for
            await self._until(began + recording.killed_at / speed)
            await self._stop(recording)
            await self._clock.sleep(down / speed)
            await self._start(replay.again(self._now_ms))
            await process.streams.subscribed(subscribed_within, listeners)
            began = self._clock.now() - (recording.restart.opened / speed if recording.restart else 0.0)
            sent += await self._live(replay.again(self._now_ms))
        await self._until(began + recording.lasts / speed)
        self._journal.record("opencode", "play ended", recording=recording.name, play=number, events=sent)
        return Played(number, sent, replay.sessions)

    @property
    def _now_ms(self) -> float:
        return self._clock.now() * 1000

    async def _until(self, at: float) -> None:
        await self._clock.sleep(at - self._clock.now())

    async def _live(self, life: Life) -> int:
        """All that one server process sends; how many events."""
        for directory in life.directories:
            self._server.process.boot(directory)
        return await send_when_due(self._clock, life.cues, self._clock.now(), self._publish)

    def _publish(self, events: Sequence[Json]) -> int:
        process = self._server.process
        return process.take([frame for event in events for frame in process.frame(event)])

    async def _stop(self, recording: Recording) -> None:
        """How turns end by an orderly stop is stored and not sent; a killed server stores nothing."""
        if recording.killed_hard:
            await self._server.cut()
            return
        state = self._server.process.state
        for session_id in tuple(state.active):
            for kind, data in shutdown(session_id, state.newest_messages(session_id)):
                self._store(kind, data)
        await self._server.close()

    async def _start(self, life: Life) -> None:
        """Start again. Who resumes is what the recording says, not what this server would do with its claims."""
        self._server.process.state.claims.clear()
        for session_id in life.resumed:
            self._store("session.execution.started", {"sessionID": session_id})
        await self._server.start()

    def _store(self, kind: str, data: Json) -> None:
        process = self._server.process
        event = {"id": process.ids.new("evt"), "created": process.now_ms(), "type": kind, "data": data}
        process.state.fold(process.state.directory_of(data["sessionID"]) or "/", event)
