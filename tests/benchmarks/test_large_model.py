"""The benchmark of a large model records its peak against the peer's, and the peer trains."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from benchmarks import large_model
from benchmarks.large_model import SAMPLE
from benchmarks.peers import plain_training
from benchmarks.record import FILE, read
from benchmarks.watched import Watched
from tests.tiny import save_tiny_model


@pytest.mark.parametrize("real", [False, True])
def test_it_records_the_peak_of_both(
    real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def watch(
        command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> Watched:
        commands.append(command)
        if "otx" not in command:
            return Watched(resident=10_000)
        run = folder / "runs/large"
        run.mkdir(parents=True)
        lines = [json.dumps({"step": step, "pairs": 10 * step}) for step in (1, 2)]
        (run / "metrics.jsonl").write_text("\n".join(lines))
        return Watched(resident=5_000)

    monkeypatch.setattr(large_model, "watch", watch)
    monkeypatch.setattr(large_model, "has_sources", lambda: real)
    monkeypatch.setattr(large_model, "write_model", lambda folder: folder.mkdir())
    monkeypatch.setenv(FILE, str(tmp_path / "results"))
    folder = tmp_path / "models"
    monkeypatch.setattr(sys, "argv", ["large_model", "--folder", str(folder), "--steps", "2"])
    large_model.main()
    result, *others = read(tmp_path / "results")
    assert len(others) == real
    assert (result.measured, result.met, result.ratio) == ("5.24 GB", True, 0.5)
    # The peer gets the pairs of the largest step.
    assert commands[1][-2:] == ["20", "2"]


def test_the_peer_trains_all_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_tiny_model(tmp_path / "tiny")
    stepped: list[torch.nn.Parameter] = []

    class Recorded(torch.optim.AdamW):
        def step(self, closure: None = None) -> None:  # type: ignore[override]
            stepped.extend(p for g in self.param_groups for p in g["params"] if p.grad is not None)

    monkeypatch.setattr(torch.optim, "AdamW", Recorded)
    texts = [str(SAMPLE / f"train.{code}.txt") for code in ("de", "en")]
    monkeypatch.setattr(sys, "argv", ["plain_training", str(model), *texts, "3", "2"])
    plain_training.main()
    assert len(stepped) == 2 * len(set(stepped)) > 10
