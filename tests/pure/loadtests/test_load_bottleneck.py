import pytest

from loadtests.accounts import Reported, Shown, accounts
from loadtests.barrage import Barrage

TEN_SECONDS = accounts([Reported("e", 0, 1, 1, 0, 0)], [Shown("e", "phone", 10)], phones=1)


@pytest.mark.parametrize(
    ("phones", "generator", "said"),
    [
        (7.9, 7.9, []),
        (8.5, 1.0, ["phones at 85% of a core"]),
        (1.0, 9.5, ["generator at 95% of a core"]),
    ],
)
def test_whoever_is_busy_beside_the_servers_is_named(
    phones: float, generator: float, said: list[str]
) -> None:
    found = Barrage(TEN_SECONDS, cpu={"relay": 5.0, "phones": phones, "generator": generator}, lag=0.0)
    assert found.bottlenecks == said
    assert found.row()["bottleneck"] == ", ".join(said)


def test_a_row_says_what_an_event_costs_each_part() -> None:
    cpu = {"relay": 0.004, "phones": 0.001, "database": 0.002, "generator": 0.00025}
    row = Barrage(TEN_SECONDS, cpu, lag=0.0).row()
    figures = {name: row[name] for name in row if name.endswith("_us")}
    assert figures == {"relay_us": 4000, "phones_us": 1000, "database_us": 2000, "generator_us": 250}
    assert row["events_per_core"] == 250
