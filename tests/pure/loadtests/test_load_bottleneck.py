import pytest

from loadtests.accounts import Shown, Told, accounts
from loadtests.barrage import Barrage

TEN_SECONDS = accounts([Told("e", 0, 1, 1, 0, 0)], [Shown("e", "phone", 10)], phones=1)


@pytest.mark.parametrize(
    ("phones_cpu", "share", "said"),
    [
        (7.9, 0.79, []),
        (8.5, 0.1, ["phones at 85% of a core"]),
        (1.0, 0.95, ["generator at 95% of a core"]),
    ],
)
def test_whoever_is_busy_beside_the_servers_is_named(
    phones_cpu: float, share: float, said: list[str]
) -> None:
    found = Barrage(TEN_SECONDS, cpu=5.0, phones_cpu=phones_cpu, share=share, lag=0.0)
    assert found.bottlenecks == said
    assert found.row()["bottleneck"] == ", ".join(said)
    assert found.row()["events_per_core"] == 0.2
