"""Made-up scripts, titles and people."""

import json

import pytest

from simulator.opencode.scheduler import Ending
from simulator.opencode.script import ENDING, Say
from simulator.opencode.writer import MIXED, SCENARIOS, UNATTENDED, Writer, names
from simulator.scenario import UnknownScenario

ENDS = dict.fromkeys(UNATTENDED, "done") | {
    "reject": "stopped",
    "error": "failed",
    "filter": "failed",
    "no_model": "failed",
    "exhausted": "failed",
    "abort": "aborted",
}


def everything(writer: Writer) -> list:
    return [writer.title(), writer.directory(), writer.prompt(), *(writer.script() for _ in range(20))]


def test_the_same_seed_makes_up_the_same() -> None:
    assert everything(Writer(3)) == everything(Writer(3))
    assert everything(Writer(3)) != everything(Writer(4))


@pytest.mark.parametrize("rate", [1.0, 50.0])
def test_the_rate_is_in_words_a_second(rate: float) -> None:
    said = Writer(1, rate, "text").script().calls[0]
    assert isinstance(said, Say)
    assert said.gap == 1 / rate


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_must_be_above_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 words a second"):
        Writer(1, rate)


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(UnknownScenario, match=r"'dance'; there are text, reason.*, mixed"):
        Writer(scenario="dance")


def test_names() -> None:
    assert names() == [*SCENARIOS, MIXED]
    assert set(SCENARIOS) - set(UNATTENDED) == {"permission_waits", "question_waits"}


def test_mixed_means_every_kind_that_needs_nobody() -> None:
    writer = Writer(1)
    kinds = {str([type(call).__name__ for call in writer.script().calls]) for _ in range(300)}
    assert len(kinds) >= 4


def test_a_script_in_the_prompt_counts_more_than_the_scenario() -> None:
    assert Writer(scenario="error").react('@@[{"op": "text", "n": 1}]').script.calls == (
        Say(("word0 ",), 0.02),
    )
    assert ENDING not in Writer(scenario="error").react("hi").script.calls


@pytest.mark.parametrize("kind", UNATTENDED)
async def test_every_unattended_scenario_ends_by_itself(scripted_by, kind: str) -> None:
    scripted = scripted_by(Writer(5, rate=200, scenario=kind).react)
    session = scripted.session()
    turn = scripted.prompt(session)
    await scripted.clock.advance(150)
    assert isinstance(turn.result(), Ending)
    assert turn.result().how == ENDS[kind]
    assert scripted.state.statuses == {}
    assert scripted.state.permissions == scripted.state.questions == {}


@pytest.mark.parametrize(
    ("kind", "table"), [("permission_waits", "permissions"), ("question_waits", "questions")]
)
async def test_the_waiting_scenarios_wait(scripted_by, kind: str, table: str) -> None:
    scripted = scripted_by(Writer(5, rate=200, scenario=kind).react)
    turn = scripted.prompt(scripted.session())
    await scripted.clock.advance(3600)
    assert not turn.done()
    (request_id,) = getattr(scripted.state, table)
    assert scripted.reply(request_id, answers=[["x"]])
    await scripted.clock.advance(60)
    assert turn.result().how == "done"


async def test_hundreds_of_sessions_at_once(scripted_by) -> None:
    """Each ends as its script says, and in each the events are in order, whatever the others do."""
    writer = Writer(11, rate=50)
    scripted = scripted_by(writer.react)
    turns = [scripted.prompt(scripted.session(directory=writer.directory())) for _ in range(100)]
    await scripted.clock.advance(150)
    assert all(turn.done() for turn in turns)
    assert scripted.state.statuses == {}
    assert_gap_free(scripted.lines)


def assert_gap_free(lines: list[bytes]) -> None:
    """The durable events of every session are numbered from 0 without gaps, and the identifiers of all events grow."""
    payloads = [json.loads(line.removeprefix(b"data: "))["payload"] for line in lines]
    numbers: dict[str, list[int]] = {}
    for one in payloads:
        if one["type"] == "sync":
            numbers.setdefault(one["syncEvent"]["aggregateID"], []).append(one["syncEvent"]["seq"])
    assert all(found == list(range(len(found))) for found in numbers.values())
    ids = [one["id"][:16] for one in payloads if one["type"] != "sync"]
    assert ids == sorted(ids)
