"""The load test of fairness with few phones and events; `make load-fairness` has the full size, and judges its ratios."""

import json
from pathlib import Path

from loadtests import fairness


def test_a_quiet_secrets_alerts_are_timed_alone_and_beside_others(tmp_path: Path) -> None:
    """All that was reported is shown once. Ratios of so short a run say nothing, so how they stand does not matter here."""
    options = ["--rounds", "1", "--events", "3", "--phones", "150", "--rate", "40", "--out", str(tmp_path)]
    assert fairness.main(options) in {0, 1}
    found = json.loads((tmp_path / "fairness.json").read_text())
    rows = {row["case"]: row for row in found["rows"]}
    assert sum(row[fault] for row in rows.values() for fault in fairness.FAULTS) == 0
    assert all(row["alert_ms_median"] > 0 for row in rows.values())
    assert rows["alone"]["others_alerts"] == 0 < rows["flood"]["others_alerts"]
    assert rows["phones"]["others_alerts"] % 150 == 0 < rows["phones"]["others_alerts"]
    assert len(found["thresholds"]) == 4
    assert (tmp_path / "fairness.html").read_text().count("Fairness") > 0
