"""The loop on a toy job: exact resume at every step, and refusal of what must not be trained on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.device_waits import counted
from otx.errors import ProblemError, TrainingError
from otx.training.fit import FitHooks, fit
from otx.training.optimizer import FitSettings
from otx.training.processes import Processes
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
        self.step = step
        self.begun.append((step, steps))

    def micro_batches(self, step: int) -> Sequence[Any]:
        return [
            torch.randn(5, 3, generator=torch.Generator().manual_seed(step * 2 + k)) for k in (0, 1)
        ]

    def loss(self, batch: Tensor) -> Loss:
        value = (self.own(self.body(batch)) - batch.sum(1, keepdim=True)).square().mean()
        value = self.spoil(self.step, value)
        health = {name: torch.tensor(number) for name, number in self.health.items()}
        return Loss(value, terms={"square": value.detach()}, health=health)

    def prepare(self, batch: Tensor) -> Tensor:
        return batch

    def gradients(self) -> dict[str, Tensor]:
        return {name: torch.tensor(norm) for name, norm in self.sent.items()}

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


class Meeting(Processes):
    """One process, which notes when it waits for others."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def meet(self, request: bool = False) -> bool:
        self.events.append("meet")
        return request


def test_all_processes_wait_until_the_first_one_s_observers_have_started(tmp_path: Path) -> None:
    events: list[str] = []

    def spoil(step: int, loss: Tensor) -> Tensor:
        events.append("step")
        return loss

    toy = Toy()
    toy.spoil = spoil
    noting = replace(hooks([]), started=lambda start, steps: events.append("started"))
    fit(toy, replace(SETTINGS, steps=1), tmp_path, noting, processes=Meeting(events))
    assert events[events.index("started") :][:3] == ["started", "meet", "step"]


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


@pytest.mark.parametrize("every", [3, 5, 100])
def test_numbers_read_together_are_those_read_at_once(
    tmp_path: Path, whole: tuple[list[Tensor], list[dict[str, float]]], every: int
) -> None:
    toy, rows = Toy(), []
    assert fit(toy, SETTINGS, tmp_path, hooks(rows), read_every=every) == 12
    assert all(torch.equal(a, b) for a, b in zip(weights(toy), whole[0], strict=True))
    assert without_time(rows) == whole[1]


@pytest.mark.parametrize("every", [3, 100])
def test_a_nonfinite_step_and_all_after_it_change_nothing(tmp_path: Path, every: int) -> None:
    toy, reference = Toy(), Toy()
    fit(reference, SETTINGS, tmp_path / "reference", hooks([], stop_at=4))
    toy.spoil = lambda step, loss: loss * math.nan if step == 4 else loss
    rows: list[dict[str, float]] = []
    with pytest.raises(TrainingError, match=r"square = nan at step 4 in the pairs of lines 5, 6"):
        fit(toy, SETTINGS, tmp_path, hooks(rows), read_every=every)
    assert all(torch.equal(a, b) for a, b in zip(weights(toy), weights(reference), strict=True))
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert toy.begun[-1][0] > 4, "later steps ran, and changed nothing"
    assert not list(tmp_path.glob("step-*")), "nothing is saved after the step at fault"


def test_an_earlier_nonfinite_step_is_named_before_a_problem(tmp_path: Path) -> None:
    toy = Toy()

    def spoil(step: int, loss: Tensor) -> Tensor:
        if step == 3:
            raise ProblemError("problem 1: a cost between two real words is not finite", "look")
        return loss * math.inf if step == 2 else loss

    toy.spoil = spoil
    with pytest.raises(TrainingError, match="square = inf at step 2"):
        fit(toy, SETTINGS, tmp_path, hooks([]), read_every=10)


@pytest.mark.parametrize(("every", "readings"), [(1, 12), (4, 3), (12, 1)])
def test_the_host_reads_numbers_once_an_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, readings: int
) -> None:
    saved: list[int] = []
    monkeypatch.setattr("otx.training.checkpoint.save", lambda *args, **_: saved.append(args[1]))
    with counted() as mode:
        fit(Toy(), SETTINGS, tmp_path, hooks([]), read_every=every)
    assert mode.waits.total() == readings and saved == [12]


class LookAt:
    """A measurement of the weights after some steps."""

    def __init__(self, toy: Toy, steps: set[int]) -> None:
        self.toy, self.steps, self.seen = toy, steps, []

    def is_due(self, step: int) -> bool:
        return step in self.steps

    def look(self, step: int) -> dict[str, float]:
        self.seen.append((step, weights(self.toy)))
        return {"seen": float(step)}


def test_a_measurement_sees_the_weights_of_its_step(tmp_path: Path) -> None:
    toy, rows = Toy(), []
    looking = LookAt(toy, {3, 12})
    with_look = replace(hooks(rows), measurement=looking)
    fit(toy, SETTINGS, tmp_path / "all", with_look, read_every=10)
    reference = Toy()
    fit(reference, SETTINGS, tmp_path / "reference", hooks([], stop_at=3))
    assert [step for step, _ in looking.seen] == [3, 12]
    expected = weights(reference)
    assert all(torch.equal(a, b) for a, b in zip(looking.seen[0][1], expected, strict=True))
    assert {row["step"]: row["seen"] for row in rows if "seen" in row} == {3: 3.0, 12: 12.0}
