"""Half a minute of one household and an idle one, with real relays; and what the command makes of its counts."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loadtests import mixed
from loadtests.day import Day, day
from loadtests.fleet import Fleet

GOOD: dict[str, Any] = {"setup": "one", "phone": "all", "alerts": 5, "cards": 3} | dict.fromkeys(
    mixed.FAULTS, 0
)


async def test_a_short_day_loses_nothing(tmp_path: Path) -> None:
    whole = day(16, 2, Random(1))
    plan = Day(whole.seconds, whole.sessions, whole.deeds, [])
    async with Fleet(2, 3) as fleet:
        rows = await mixed.completed(fleet, plan, await mixed.live(fleet, plan))
    assert [
        str(one) for one in mixed.thresholds([{"setup": "one"} | row for row in rows]) if not one.held
    ] == []
    assert rows[0]["phone"] == "all"
    assert rows[0]["retried"] > 0
    assert [row["cards"] for row in rows if row["phone"].startswith("phone 1/")] == [0, 0, 0]


@pytest.mark.parametrize("fault", mixed.FAULTS)
def test_one_thing_wrong_on_one_phone_fails_the_run(fault: str) -> None:
    assert [str(one) for one in mixed.thresholds([GOOD]) if not one.held] == []
    assert len([one for one in mixed.thresholds([GOOD | {fault: 1}]) if not one.held]) == 1
    for proof in ("alerts", "cards"):  # a day on which nothing happened proves nothing
        assert not all(one.held for one in mixed.thresholds([GOOD | {proof: 0}]))


def test_the_command_writes_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def measured(minutes: float, households: int) -> list[dict[str, Any]]:
        return [GOOD | {"minutes": minutes, "households": households}]

    monkeypatch.setattr(mixed, "measure", measured)
    assert mixed.main(["--minutes", "2", "--households", "3", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "mixed.json").read_text())
    assert (found["minutes"], found["rows"][0]["households"]) == (2, 3)
    assert "| one | all |" in capsys.readouterr().out
