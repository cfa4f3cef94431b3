"""Checks on development data during fine-tuning, against hand-computed schedules and weights."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from otx.errors import DataError
from otx.evaluation.development import CheckSchedule, Development

NAN = float("nan")


def play(
    folder: Path,
    scores: Sequence[float],
    *,
    patience: int = 0,
    higher: bool = True,
    until: int | None = None,
) -> tuple[Development, nn.Linear, list[int]]:
    """A training of 12 steps whose weight is the step's number, checked ``len(scores)`` times."""
    layer, asked = nn.Linear(1, 1, bias=False), []
    left = list(scores)

    def score() -> float:
        asked.append(int(layer.weight.item()))
        return left[len(checks.history)]

    schedule = CheckSchedule(12, len(scores), patience)
    checks = Development(
        folder, {"layer": layer}, schedule, score, metric="acc", higher_is_better=higher
    )
    for step in range(1, (until or 12) + 1):
        nn.init.constant_(layer.weight, step)
        if checks.is_due(step):
            assert checks.look(step) == {"acc": checks.history[step]}
        if checks.is_patience_exhausted():
            break
    return checks, layer, asked


@pytest.mark.parametrize(
    ("scores", "higher", "best"),
    [
        ([0.1, 0.5, 0.4, 0.3], True, 6),
        ([0.1, 0.5, 0.4, 0.3], False, 3),
        ([0.5, 0.5, 0.5, 0.5], True, 3),
        ([NAN, 0.2, NAN, 0.1], True, 6),
        ([NAN, 0.2, NAN, 0.1], False, 12),
        ([0.1, 0.2, 0.3, 0.4], True, 12),
    ],
)
def test_the_weights_of_the_best_check_come_back(
    tmp_path: Path, scores: list[float], higher: bool, best: int
) -> None:
    checks, layer, asked = play(tmp_path, scores, higher=higher)
    assert asked == [3, 6, 9, 12]
    assert checks.best_step == best
    checks.restore()
    assert layer.weight.item() == best
    assert len(list((tmp_path / "best").glob("step-*"))) == 1


def test_patience_ends_it_and_only_then(tmp_path: Path) -> None:
    scores = [0.3, 0.5, 0.5, 0.4, 0.9, 0.9]
    checks, _, asked = play(tmp_path / "two", scores, patience=2)
    assert asked == [2, 4, 6, 8] and checks.best_step == 4
    _, _, asked = play(tmp_path / "three", scores, patience=3)
    assert asked == [2, 4, 6, 8, 10, 12]


def test_a_killed_training_asks_for_no_check_twice(tmp_path: Path) -> None:
    scores = [0.1, 0.6, 0.2, 0.3]
    _, _, first = play(tmp_path, scores, until=7)
    checks, layer, second = play(tmp_path, scores)
    assert (first, second) == ([3, 6], [9, 12])
    checks.restore()
    assert layer.weight.item() == 6


def test_modules_are_trained_on_after_a_check(tmp_path: Path) -> None:
    layer = nn.Linear(1, 1)

    def score() -> float:
        layer.eval()
        return 0.0

    checks = Development(
        tmp_path,
        {"layer": layer},
        CheckSchedule(1, 1),
        score,
        metric="acc",
        higher_is_better=True,
    )
    checks.look(1)
    assert layer.training


def test_lost_weights_are_named(tmp_path: Path) -> None:
    checks, _, _ = play(tmp_path, [0.1, 0.2])
    (kept,) = (tmp_path / "best").glob("step-*")
    torch.save({}, kept / "tensors.safetensors")
    with pytest.raises(DataError, match="damaged checkpoint"):
        checks.restore()


@pytest.mark.parametrize(
    "text", ["[]", "{", "[" * 100_000, '{"x": 0.5}', '{"7": 0.5}', '{"3": null}', '{"-3": 0.5}']
)
def test_a_damaged_history_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "development.json").write_text(text)
    with pytest.raises(DataError, match=r"development\.json"):
        play(tmp_path, [0.1, 0.5, 0.4, 0.3])
