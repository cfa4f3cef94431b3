"""The losses of a short alignment are those that were recorded: a change of any number in the engine shows here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[1] / "golden/loss_curve.json"
OBJECTIVES = ("sinkhorn", "l2", "tlm")
STEPS = 6


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_losses_are_those_that_were_recorded(align: Any, objective: str) -> None:
    """Recorded with the versions in constraints.txt; other versions of torch differ in the last digits only."""
    assert align("--objective", objective, "--steps", str(STEPS), "--run", "r") == 0
    lines = Path("runs/r/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses == pytest.approx(json.loads(GOLDEN.read_text())[objective], rel=1e-3)
