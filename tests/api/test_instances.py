"""Objective instances given from Python: copied, recorded, and resumed from Python only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import otx
from otx.cli import run as command
from otx.errors import Interrupted, UsageError
from otx.plugin_host.instances import register_instance
from otx.plugin_host.registry import Registry
from otx.types import EncodedPair, Loss
from otx.views import States

STEPS = {"align.steps": 3, "data.batch_tokens": 300, "runtime.device": "cpu"}


@dataclass(frozen=True)
class MeansOptions:
    """Options of MeansApart."""

    factor: float = 2.0


class MeansApart(nn.Module):
    """Squared distance of the sides' means, scaled by a parameter of its own."""

    scope = "batch"

    def __init__(self, options: MeansOptions) -> None:
        super().__init__()
        self.options = options
        self.views = {States(layer=-1)}
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, pair: EncodedPair) -> Loss:
        gap = pair.source.sentences().mean(0) - pair.pivot.sentences().mean(0)
        return Loss(self.options.factor * self.scale.square() * gap.square().sum(), count=1)


class StopsOnce(MeansApart):
    """Interrupts the process in the second step, the first time."""

    calls = 0

    def forward(self, pair: EncodedPair) -> Loss:
        StopsOnce.calls += 1
        if StopsOnce.calls == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)
        return super().forward(pair)


@pytest.fixture
def align(tiny_model: Path, bitext: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Align the tiny encoder in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    given = {"model": tiny_model, "corpus": bitext, "settings": STEPS}
    return lambda **more: otx.align(**{**given, **more})


def weights(run: otx.Run) -> dict[str, torch.Tensor]:
    return load_file(run.model_path / "model.safetensors")


def test_an_instance_is_copied_and_recorded(align: Any) -> None:
    instance = MeansApart(MeansOptions(factor=3.0))
    runs = [align(objective=[(0.5, instance), "keep-close"], name=name) for name in "ab"]
    assert instance.scale.item() == 1.0
    assert all(torch.equal(one, weights(runs[1])[name]) for name, one in weights(runs[0]).items())
    record = runs[0].record
    assert record["objectives"] == ["0.5*means-apart", "keep-close"]
    assert record["options"]["means-apart"] == {"factor": 3.0}
    (recorded,) = record["instances"]
    assert recorded["name"] == "means-apart" and recorded["class"].endswith(":MeansApart")
    assert recorded["options"] == {"factor": 3.0} and "version" in recorded


def test_a_run_with_an_instance_resumes_from_python_alone(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    instance = StopsOnce(MeansOptions())
    with pytest.raises(Interrupted):
        align(objective=instance, name="parts")
    assert command(["align", "--resume", "parts", "--quiet"]) == 2
    error = capfd.readouterr().err
    assert "stops-once" in error and "otx.align(resume=" in error
    with pytest.raises(UsageError, match="began with the objectives stops-once, not l2"):
        otx.align(resume="parts", objective="l2")
    resumed = otx.align(resume="parts", objective=instance)
    whole = align(objective=StopsOnce(MeansOptions()), name="whole")
    assert resumed.status == whole.status == "finished"
    assert all(torch.equal(one, weights(whole)[name]) for name, one in weights(resumed).items())


def test_names_of_instances_never_clash() -> None:
    registry = Registry("otx")
    registry.objective("means-apart", "somewhere:Other", "another objective")
    names = [register_instance(registry, MeansApart(MeansOptions())) for _ in range(3)]
    assert names == ["means-apart-instance", "means-apart-instance-2", "means-apart-instance-3"]
    assert len({entry.name for entry in registry.entries("objective")}) == 4
