"""What the bridge knows for its next start, in a file."""

import asyncio
import logging
from pathlib import Path

import pytest

from relay.bridge.state_file import (
    OpenRuns,
    State,
    StateFolder,
    StateWriter,
    joined,
    read_state,
    state_file,
    write_state,
)
from relay.contract import Event
from waiting import eventually


class TestStateFile:
    def test_what_is_written_can_be_read(self, tmp_path: Path) -> None:
        path = state_file(tmp_path / "deep" / "relay-secret", "http://127.0.0.1:4096")
        assert read_state(path) is None
        for state in (State(seen_at=1.5, runs=["ses_a"]), State(seen_at=2.5)):
            write_state(path, state)
            assert read_state(path) == state
        assert path.stat().st_mode & 0o777 == 0o600
        assert [one.name for one in path.parent.iterdir()] == [path.name]

    def test_every_server_has_its_own(self, tmp_path: Path) -> None:
        names = {state_file(tmp_path / "secret", f"http://127.0.0.1:{port}") for port in (4096, 4097)}
        assert len(names) == 2

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"runs":[]}', b"\xff"])
    def test_a_broken_file_counts_as_none(
        self, tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "bridge.json"
        path.write_bytes(text)
        assert read_state(path) is None
        assert f"state lost path={path}" in caplog.text

    def test_a_write_that_fails_leaves_the_old_file(self, tmp_path: Path) -> None:
        (tmp_path / "bridge.json").mkdir()
        with pytest.raises(IsADirectoryError):
            write_state(tmp_path / "bridge.json", State(seen_at=1.0))
        assert [one.name for one in tmp_path.iterdir()] == ["bridge.json"]

    def test_of_another_server_at_its_url_it_is_set_aside(self, tmp_path: Path) -> None:
        folder = StateFolder(tmp_path / "secret", "http://127.0.0.1:4096")
        assert folder.own("one") == State(seen_at=None)
        kept = State(
            seen_at=1.0, runs=["ses_a"], used={"ses_a": 1.0}, server="one", url="http://127.0.0.1:4096"
        )
        write_state(folder.path, kept)
        assert folder.own("one") == folder.own("") == kept
        assert folder.own("two") == State(seen_at=None)
        assert folder.elsewhere("") == folder.elsewhere("two") == []
        ((path, aside),) = folder.elsewhere("one")
        assert (aside.runs, aside.url, path != folder.path) == (["ses_a"], "", True)
        both = joined(State(seen_at=2.0, runs=["ses_b"], used={"ses_a": 2.0}), aside)
        assert (both.seen_at, both.runs, both.used) == (1.0, ["ses_a", "ses_b"], {"ses_a": 2.0})
        assert joined(State(seen_at=None), State(seen_at=None)).seen_at is None

    def test_one_that_cannot_be_set_aside_is_one_line(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = StateFolder(tmp_path / "secret", "http://127.0.0.1:4096")
        write_state(folder.path, State(seen_at=1.0, server="one"))
        folder.own("two")
        ((path, _),) = folder.elsewhere("one")
        path.unlink()
        path.mkdir()
        assert folder.own("two") == State(seen_at=None)
        assert f'state not kept path={path} reason="Is a directory"' in caplog.text

    async def test_it_is_written_soon_but_not_too_often(self, tmp_path: Path) -> None:
        release = asyncio.Event()
        states = iter(State(seen_at=float(number)) for number in range(9))

        async def pause(seconds: float) -> None:
            await release.wait()

        path = tmp_path / "bridge.json"
        writer = StateWriter(path, states.__next__, sleep=pause)
        await writer.close(0)
        assert not path.exists()
        writer.start()
        for _ in range(3):
            writer.touch()
        await eventually(path.exists)
        writer.touch()
        assert read_state(path) == State(seen_at=0.0)
        release.set()
        await eventually(lambda: read_state(path) == State(seen_at=1.0))
        await writer.close(0)
        assert read_state(path) == State(seen_at=2.0)

    async def test_failed_writes_are_one_line_until_one_succeeds(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        written: asyncio.Queue[None] = asyncio.Queue()

        async def pause(_: float) -> None:
            written.put_nowait(None)

        path = tmp_path / "bridge.json"
        writer = StateWriter(path, lambda: State(seen_at=1.0), sleep=pause)
        writer.start()
        for blocked in (True, True, False, True, True):
            if not blocked:
                path.rmdir()
            elif not path.is_dir():
                path.unlink(missing_ok=True)
                path.mkdir()
            writer.touch()
            await written.get()
        await writer.close(0)
        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert lines == [f'state not kept path={path} reason="Is a directory"'] * 2


class TestOpenRuns:
    @pytest.fixture
    def changes(self) -> list[str]:
        return []

    @pytest.fixture
    def runs(self, changes: list[str]) -> OpenRuns:
        return OpenRuns(["ses_a"], lambda: changes.append("changed"))

    def sent(self, session_id: str, event_id: str | None) -> Event:
        return Event(secret="s" * 16, event_type="complete", session_id=session_id, event_id=event_id)

    def test_a_run_is_open_until_the_relay_has_its_end(self, runs: OpenRuns, changes: list[str]) -> None:
        runs.begin("ses_b")
        runs.end("ses_b", "end-1")
        for session, event_id in (("ses_b", "another"), ("ses_b", None), ("ses_c", "end-1")):
            runs.done(self.sent(session, event_id))
        assert runs.ids() == ["ses_a", "ses_b"]
        runs.done(self.sent("ses_b", "end-1"))
        assert (runs.ids(), changes) == (["ses_a"], ["changed"] * 2)

    def test_a_new_run_is_not_closed_by_the_end_of_the_one_before(self, runs: OpenRuns) -> None:
        assert (runs.open("ses_a"), runs.open("ses_b")) == (True, False)
        runs.end("ses_a", "end-1")
        assert not runs.open("ses_a")
        runs.begin("ses_a")
        runs.done(self.sent("ses_a", "end-1"))
        assert (runs.ids(), runs.open("ses_a")) == (["ses_a"], True)

    def test_an_end_without_a_beginning_is_kept_too(self, runs: OpenRuns, changes: list[str]) -> None:
        runs.end("ses_b", "end-1")
        assert (runs.ids(), changes) == (["ses_a", "ses_b"], ["changed"])
