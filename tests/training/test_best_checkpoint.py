"""The best weights are kept, alone, over interruptions, and damage is named."""

from pathlib import Path

import pytest
import torch
from torch import nn

from otx.errors import CheckpointError
from otx.training.best_checkpoint import BestCheckpoint

NAN = float("nan")


def offer_all(best: BestCheckpoint, layer: nn.Linear, values: list[float]) -> list[bool]:
    """Offer weights whose value is the step's number."""
    kept = []
    for step, value in enumerate(values, start=1):
        nn.init.constant_(layer.weight, step)
        kept.append(best.offer(step, value, {"metric": "accuracy"}))
    return kept


@pytest.mark.parametrize(
    ("values", "higher", "step"),
    [
        ([0.1, 0.5, 0.4], True, 2),
        ([0.5, 0.1, 0.4], False, 2),
        ([0.5, 0.5, 0.5], True, 1),
        ([NAN, 0.2, NAN], True, 2),
        ([NAN, 0.2, NAN], False, 2),
        ([NAN, NAN], True, 1),
    ],
)
def test_the_best_weights_come_back(
    tmp_path: Path, values: list[float], higher: bool, step: int
) -> None:
    layer = nn.Linear(1, 1, bias=False)
    best = BestCheckpoint(tmp_path, {"layer": layer}, higher_is_better=higher)
    offer_all(best, layer, values)
    restored = best.restore()
    assert restored is not None and restored.step == step
    assert restored.state["metric"] == "accuracy"
    assert layer.weight.item() == step
    assert [path.name for path in tmp_path.iterdir()] == [f"step-{step:08d}"]


def test_without_kept_weights_nothing_is_restored(tmp_path: Path) -> None:
    layer = nn.Linear(1, 1)
    before = layer.weight.clone()
    assert BestCheckpoint(tmp_path / "none", {"layer": layer}).restore() is None
    assert torch.equal(layer.weight, before)


def test_a_resumed_training_compares_with_the_weights_kept_before(tmp_path: Path) -> None:
    layer = nn.Linear(1, 1, bias=False)
    offer_all(BestCheckpoint(tmp_path, {"layer": layer}), layer, [0.6])
    resumed = BestCheckpoint(tmp_path, {"layer": layer})
    assert not resumed.offer(2, 0.5) and not resumed.offer(3, 0.6) and resumed.offer(4, 0.7)


def test_worse_weights_do_not_replace_a_damaged_checkpoint(tmp_path: Path) -> None:
    layer = nn.Linear(1, 1)
    best = BestCheckpoint(tmp_path, {"layer": layer})
    best.offer(1, 0.6)
    torch.save({}, tmp_path / "step-00000001" / "tensors.safetensors")
    with pytest.raises(CheckpointError, match="damaged checkpoint"):
        best.offer(2, 0.5)
    with pytest.raises(CheckpointError, match="damaged checkpoint"):
        best.restore()
