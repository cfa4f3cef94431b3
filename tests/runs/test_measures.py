from __future__ import annotations

import pytest

from otx.alignment.diagnostics import verdict
from otx.cli.format_metrics import diagnostic_lines
from otx.runs.layout import guard_grid
from otx.runs.measures import MEASURES, measure_text
from otx.runs.table import Comparison, Guard

BEFORE = {"retrieval": 0.111, "aer": 0.27, "random_cosine": 0.2, "effective_rank": 127.5}
AFTER = {"retrieval": 0.09, "aer": 0.506, "random_cosine": 0.743, "effective_rank": 12.25}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_has_one_unit_wherever_it_is_shown(name: str) -> None:
    texts = [measure_text(name, numbers[name]) for numbers in (BEFORE, AFTER)]
    record = {"guards": {"before": BEFORE, "after": AFTER}}
    place = list(MEASURES).index(name)
    assert all(text in diagnostic_lines(record)[place] for text in texts)
    assert all(
        text in verdict(2.0, 1.0, BEFORE, AFTER)[place if place < 2 else 5 - place]
        for text in texts
    )
    guard = Guard("r", "s", BEFORE, AFTER, ())
    grid = guard_grid(Comparison({"s": ("r",)}, (), (guard,), (), 0.95))
    assert grid.rows[0][1 + place].lines == (" → ".join(texts),)


def test_shares_are_percentages() -> None:
    assert measure_text("retrieval", 0.09) == "9.0%"
    assert measure_text("aer", 0.506) == "50.6%"
    assert measure_text("retrieval.de", 0.5) == "50.0%"
