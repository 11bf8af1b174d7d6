"""Ten minutes of a session through the relay's policy and past it; the command's figures and verdicts."""

from pathlib import Path
from typing import Any

import pytest

from loadtests import budget
from loadtests.hour import CIRCUMSTANCES, Circumstances, Hour, hour

MINUTES = 10


def figures(found: Hour, rate: float, policy: str, phone: str) -> dict[str, Any]:
    return {"rate": rate, "policy": policy, "phone": phone} | budget.row(found)


@pytest.mark.parametrize("phone", CIRCUMSTANCES)
async def test_the_relay_keeps_within_the_budget(phone: Circumstances) -> None:
    found = await hour(1.0, "relay", phone, seconds=MINUTES * 60)
    one = figures(found, 1.0, "relay", phone)
    assert [str(each) for each in budget.thresholds([one]) if not each.held] == []
    assert 1 <= one["priority_10"] <= 10
    assert one["priority_5"] <= MINUTES * 60
    assert found.held[-1].number == found.changes[-1].number


async def test_naive_forwarding_exceeds_it() -> None:
    found = await hour(1.0, "naive", "off", seconds=MINUTES * 60)
    one = figures(found, 1.0, "naive", "off")
    assert one["priority_10"] == len(found.changes) - 1
    assert one["over_budget"] > 0
    assert one["held_up_10"] > 0
    assert [each.held for each in budget.thresholds([one])] == [True]


def test_a_policy_that_misses_its_promises_is_reported(tmp_path: Path) -> None:
    bad = {
        "rate": 1.0, "policy": "relay", "phone": "on", "held_up_10": 1, "refused": 2,
        "late_longest": 1.0,
        "drawn_late_longest": 15.01, "last_is_shown": False, "over_budget": 0,
    }  # fmt: skip
    assert [one.held for one in budget.thresholds([bad])] == [False] * 4
    assert [one.held for one in budget.thresholds([bad | {"policy": "naive"}])] == [False]


def test_the_command_writes_figures_and_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(budget, "CIRCUMSTANCES", ("on",))
    assert budget.main(["--rates", "0.5", "--minutes", "2", "--out", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"budget.json", "budget.csv", "budget.html", "budget-pushes.svg", "budget-staleness.svg"}
    assert "2/2" in capsys.readouterr().out
