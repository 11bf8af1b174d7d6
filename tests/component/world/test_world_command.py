"""The public commands as processes: what they print, how they end, and what the journal hears of it."""

from pathlib import Path

import pytest

from simulator.clock import RealClock
from simulator.journal import Journal
from simulator.process import Command, CommandError
from waiting import eventually


def _command(folder: Path, *arguments: str, journal: Journal | None = None, **environment: str) -> Command:
    return Command(
        "relay", arguments, journal or Journal(RealClock()), environment=environment, folder=folder
    )


async def test_what_it_prints_can_be_waited_for(tmp_path: Path) -> None:
    command = _command(tmp_path, "pair", f"--secret-file={tmp_path}/secret")
    await command.start()
    assert (await command.printed("^mobilevoice://", 20)).startswith("mobilevoice:///?pair=")
    assert await command.stop() in (0, -15)


async def test_a_command_that_ends_says_why(tmp_path: Path) -> None:
    command = _command(tmp_path, "serve", PORT="0")
    await command.start()
    with pytest.raises(CommandError, match=r"relay ended: relay: .*PORT must be a port number"):
        await command.printed("never", 20)
    assert await command.stop() == 1
    with pytest.raises(CommandError, match="relay ended"):
        command.raise_if_ended()


async def test_a_line_that_never_comes_is_an_error(tmp_path: Path) -> None:
    command = _command(
        tmp_path, "bridge", "--opencode-url=http://127.0.0.1:9", f"--secret-file={tmp_path}/secret"
    )
    await command.start()
    await command.printed("Waiting for OpenCode", 20)
    with pytest.raises(CommandError, match=r"did not print 'mobilevoice' within 0\.1 s"):
        await command.printed("mobilevoice", 0.1)
    assert await command.stop() == 0


async def test_the_journal_has_entries_of_the_process_and_of_its_log(tmp_path: Path) -> None:
    journal = Journal(RealClock())
    command = _command(
        tmp_path,
        "bridge",
        "--opencode-url=http://127.0.0.1:9",
        f"--secret-file={tmp_path}/secret",
        "--port=0",
        journal=journal,
    )
    await command.start()
    await eventually(lambda: journal.entries("relay", "waiting"))
    assert await command.kill() == -9
    assert await command.kill() == 0, "killing what is gone is harmless"
    assert [entry.what for entry in journal.entries("relay")] == [
        "process started",
        "waiting",
        "process ended",
    ]
    assert journal.entries(what="waiting")[0].detail["url"] == "http://127.0.0.1:9"
