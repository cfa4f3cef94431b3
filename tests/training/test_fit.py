"""The loop on a toy job: exact resume at every step, and refusal of what must not be trained on."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from otx.errors import ProblemError, TrainingError
from otx.training.fit import FitHooks, FitSettings, Health, fit, gradient_norm, schedule
from otx.types import Loss


class Toy:
    """Least squares with dropout, two micro-batches a step, and a second module of the objective's own."""

    def __init__(self) -> None:
        torch.manual_seed(7)
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 4))
        self.own = nn.Linear(4, 1)
        self.modules = {"encoder": self.body, "objective": self.own}
        self.spoil: Callable[[int, Tensor], Tensor] = lambda step, value: value
        self.health: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self.step = 0
        self.begun: list[tuple[int, int]] = []

    def begin(self, step: int, steps: int) -> None:
        self.begun.append((step, steps))

    def micro_batches(self, step: int) -> Sequence[Any]:
        self.step = step
        return [
            torch.randn(5, 3, generator=torch.Generator().manual_seed(step * 2 + k)) for k in (0, 1)
        ]

    def loss(self, batch: Tensor) -> Loss:
        value = (self.own(self.body(batch)) - batch.sum(1, keepdim=True)).square().mean()
        value = self.spoil(self.step, value)
        health = {name: torch.tensor(number) for name, number in self.health.items()}
        return Loss(value, terms={"square": value.detach()}, health=health)

    def gradients(self) -> dict[str, float]:
        return self.sent

    def describe(self, batch: Tensor) -> str:
        return "the pairs of lines 5, 6"

    def size(self, batch: Tensor) -> tuple[int, int]:
        return len(batch), batch.numel()


def hooks(rows: list[dict[str, float]], stop_at: int | None = None) -> FitHooks:
    return FitHooks(
        started=lambda step, _: rows.__delitem__(slice(step, None)),
        step_finished=rows.append,
        checkpoint_saved=lambda path: None,
        notice=lambda text: None,
        stop_requested=lambda: stop_at is not None and len(rows) >= stop_at,
    )


SETTINGS = FitSettings(steps=12, lr=0.05, seed=3, checkpoint_every=100)


def without_time(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def weights(toy: Toy) -> list[Tensor]:
    return [p.detach().clone() for m in toy.modules.values() for p in m.parameters()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Tensor], list[dict[str, float]]]:
    toy, rows = Toy(), []
    assert fit(toy, SETTINGS, tmp_path_factory.mktemp("whole"), hooks(rows)) == 12
    return weights(toy), without_time(rows)


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_resumed_run_is_bit_equal(
    tmp_path: Path, whole: tuple[list[Tensor], list[dict[str, float]]], stop: int
) -> None:
    rows: list[dict[str, float]] = []
    assert fit(Toy(), SETTINGS, tmp_path, hooks(rows, stop)) == stop
    toy = Toy()
    assert fit(toy, SETTINGS, tmp_path, hooks(rows)) == 12
    assert all(torch.equal(a, b) for a, b in zip(weights(toy), whole[0], strict=True))
    assert without_time(rows) == whole[1]


def test_resumed_three_times(
    tmp_path: Path, whole: tuple[list[Tensor], list[dict[str, float]]]
) -> None:
    rows: list[dict[str, float]] = []
    for stop in (2, 5, 9, None):
        toy = Toy()
        fit(toy, SETTINGS, tmp_path, hooks(rows, stop))
    assert all(torch.equal(a, b) for a, b in zip(weights(toy), whole[0], strict=True))
    assert without_time(rows) == whole[1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_nonfinite_loss_stops_before_the_step(tmp_path: Path, value: float) -> None:
    toy, reference = Toy(), Toy()
    fit(reference, SETTINGS, tmp_path / "reference", hooks([], stop_at=4))
    toy.spoil = lambda step, loss: loss * value if step == 4 else loss
    rows: list[dict[str, float]] = []
    with pytest.raises(
        TrainingError, match=r"square = (nan|inf) at step 4 in the pairs of lines 5, 6"
    ):
        fit(toy, SETTINGS, tmp_path, hooks(rows))
    stopped, expected = weights(toy), weights(reference)
    assert all(torch.equal(a, b) for a, b in zip(stopped, expected, strict=True))
    assert [row["step"] for row in rows] == [1, 2, 3, 4]


class BadGradient(torch.autograd.Function):
    """Finite forwards, NaN backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * math.nan


def test_a_nonfinite_gradient_stops_before_the_step(tmp_path: Path) -> None:
    toy = Toy()
    toy.spoil = lambda step, loss: BadGradient.apply(loss) if step == 2 else loss
    with pytest.raises(TrainingError, match=r"non-finite gradient .* at step 2 in the pairs of"):
        fit(toy, SETTINGS, tmp_path, hooks([]))
    assert all(bool(w.isfinite().all()) for w in weights(toy))


def test_a_part_that_sends_nothing_stops_beside_one_that_does(tmp_path: Path) -> None:
    toy = Toy()
    toy.sent = {"sinkhorn": 0.0, "keep-close": 3.0}
    with pytest.raises(TrainingError, match=r"sinkhorn: the gradient was exactly zero .*step 2"):
        fit(toy, SETTINGS, tmp_path, hooks([]))


def test_an_impossible_problem_is_named_with_its_step_and_pairs(tmp_path: Path) -> None:
    toy = Toy()

    def impossible(step: int, loss: Tensor) -> Tensor:
        raise ProblemError("problem 1: a cost between two real words is not finite", "look")

    toy.spoil = impossible
    with pytest.raises(TrainingError, match=r"problem 1: .* at step 0 in the pairs of lines"):
        fit(toy, SETTINGS, tmp_path, hooks([]))


def test_a_resumed_run_remembers_how_long_the_gradient_was_flat(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    for stop in (1, 2):
        toy = Toy()
        toy.spoil = lambda step, loss: loss * 0.0
        assert fit(toy, SETTINGS, tmp_path, hooks(rows, stop)) == stop
    toy = Toy()
    toy.spoil = lambda step, loss: loss * 0.0
    with pytest.raises(TrainingError, match=r"exactly zero .*up to step 2"):
        fit(toy, SETTINGS, tmp_path, hooks(rows))


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


def test_a_flat_gradient_stops(tmp_path: Path) -> None:
    toy = Toy()
    toy.spoil = lambda step, loss: loss * 0.0
    with pytest.raises(TrainingError, match="exactly zero"):
        fit(toy, SETTINGS, tmp_path, hooks([]))


def test_a_dead_transport_stops(tmp_path: Path) -> None:
    toy = Toy()
    toy.health = {"sinkhorn.mass": 8e-34, "sinkhorn.expected_mass": 1.0}
    with pytest.raises(TrainingError, match="transport mass 8e-34, expected 1"):
        fit(toy, SETTINGS, tmp_path, hooks([]))


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


def test_the_learning_rate_rises_and_falls_linearly() -> None:
    settings = FitSettings(steps=10, lr=1.0, seed=0, warmup=0.2)
    factors = [schedule(step, settings) for step in range(10)]
    assert factors == pytest.approx([0.5, 1.0, *(1 - k / 8 for k in range(8))])


@pytest.mark.parametrize("shape", [(3,), (40, 7), (300, 500)])
def test_the_gradient_s_norm_is_that_of_float64(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(shape, generator=generator), torch.randn(5, generator=generator)]
    expected = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
    assert float(gradient_norm(gradients)) == pytest.approx(expected, rel=1e-7)


def test_rows_without_a_gradient_do_not_change_the_norm() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 48, generator=generator)
    table = torch.zeros(9_000, 48)
    table[torch.randperm(9_000, generator=generator)[:500].sort().values] = rows
    assert torch.equal(gradient_norm([table]), gradient_norm([rows]))
    assert float(gradient_norm([])) == 0.0
