"""Checks of what solvers report: dead plans, problems that do not converge, memory over a resume."""

from __future__ import annotations

import json

import pytest

from otx.errors import TrainingError
from otx.training.health import Health


def test_a_resumed_run_remembers_what_converged() -> None:
    told: list[str] = []
    whole, first = Health(told.append), Health(told.append)
    for step in range(8):
        whole.check({"s.converged": 0.4}, step)
        first.check({"s.converged": 0.4}, step)
    again = Health(told.append)
    again.restore(json.loads(json.dumps(first.state())))
    for health in (whole, again):
        health.check({"s.converged": 0.4}, 8)
        with pytest.raises(TrainingError, match="only 40%"):
            health.check({"s.converged": 0.4}, 9)
    assert len(told) == 2


def test_convergence_is_warned_of_once_and_then_stops() -> None:
    notices: list[str] = []
    health = Health(notices.append)
    for step in range(5):
        health.check({"sinkhorn.converged": 0.8}, step)
    assert len(notices) == 1 and "80%" in notices[0]
    with pytest.raises(TrainingError, match="epsilon"):
        for step in range(40):
            health.check({"sinkhorn.converged": 0.1}, step)


def test_a_schedule_exempt_from_convergence_never_stops() -> None:
    health = Health(lambda text: pytest.fail(text))
    for step in range(40):
        health.check({"annealed.mass": 1.0, "annealed.marginal_error": 0.4}, step)
