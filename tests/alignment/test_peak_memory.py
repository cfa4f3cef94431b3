"""The predicted memory is that of a real step: exact for weights and AdamW, close for the largest micro-batch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.job import make_job
from otx.alignment import align as alignment
from otx.alignment.peak_memory import _largest, _part, largest_step, predict_peak
from otx.alignment.trainable import TrainableAlignment
from otx.training.optimizer import FitSettings, make_optimizer
from tests.training.test_memory_meter import profiled_peak

SETTINGS = {"data__corpus": ["sample:de"], "encoder__model": "mini"}


def whole_pass(job: TrainableAlignment) -> int:
    """Return the profiler's peak of the job's largest micro-batch, gradients included."""
    batch = max(
        (batch for step in range(20) for batch in job.micro_batches(step)),
        key=lambda batch: job.size(batch)[1],
    )

    def run() -> None:
        for module in job.modules.values():
            module.zero_grad()
        job.loss(job.prepare(batch)).value.backward()  # type: ignore[no-untyped-call]

    return profiled_peak(run)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"align__objective": ["sentence-contrastive"]},
        {"encoder__recompute": True},
    ],
    ids=["default", "whole-batch", "recompute"],
)
def test_the_prediction_is_close_to_a_real_pass(changes: dict[str, Any]) -> None:
    job = make_job(20, **SETTINGS, **changes)
    predicted = predict_peak(job, None)
    step = predicted.peak - predicted.weights - predicted.optimizer
    assert step == pytest.approx(whole_pass(job), rel=0.15)
    assert predicted.subwords == max(
        job.size(batch)[1] for step in range(20) for batch in job.micro_batches(step)
    )


def test_the_state_of_the_optimiser_is_exact() -> None:
    job = make_job(2, **SETTINGS, optimizer__accumulate=2)
    predicted = predict_peak(job, None)
    optimizer = make_optimizer(job.modules, FitSettings(2, 1e-3, 1))
    for batch in job.micro_batches(0):
        job.loss(job.prepare(batch)).value.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = sum(p.grad.nbytes for p in parameters if p.grad is not None)
    optimizer.step()
    moments = sum(
        state[name].nbytes
        for state in optimizer.state.values()
        for name in ("exp_avg", "exp_avg_sq")
    )
    assert (predicted.gradients, predicted.optimizer) == (gradients, moments)
    assert predicted.weights >= sum(
        p.nbytes
        for encoder in (job.encoder, *job.auxiliary.by_name().values())
        for p in encoder.module.parameters()
    )
    # Several micro-batches in a step: the first one's gradients are there in the pass of the next.
    assert predicted.peak == predicted.weights + moments + gradients + predicted.micro_batch
    alone = predict_peak(make_job(2, **SETTINGS), None)
    assert 0 < alone.peak - alone.weights - alone.optimizer < gradients + alone.micro_batch


def test_the_prediction_leaves_weights_and_gradients_alone() -> None:
    job = make_job(2, **SETTINGS)
    before = [p.detach().clone() for p in job.encoder.module.parameters()]
    predict_peak(job, None)
    after = list(job.encoder.module.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)
    batch = job.micro_batches(0)[0]
    job.loss(job.prepare(batch)).value.backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None for p in after)


def test_a_part_has_the_spread_of_the_whole() -> None:
    job = make_job(20, **SETTINGS)
    batch = _largest(job)[0]
    assert batch.step == largest_step(job)
    lengths = job.material.tokenised[0].lengths.sum(1)
    part = _part(job, batch, 6)
    assert len(set(part.indices.tolist())) == 6 and set(part.indices) <= set(batch.indices)
    assert lengths[part.indices].max() == lengths[batch.indices].max()
    assert np.mean(lengths[part.indices]) == pytest.approx(np.mean(lengths[batch.indices]), rel=0.1)
    assert len(_part(job, batch, 10_000).indices) == len(batch.indices)


def test_a_dry_run_shows_the_peak(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--dry-run", "--json") == 0
    memory = json.loads(capfd.readouterr().out)["memory"]
    assert memory["peak"] > memory["weights"] > 0 and memory["device"] == "cpu"
    assert align("--dry-run") == 0
    assert "peak memory on cpu about" in capfd.readouterr().out


def test_a_dry_run_goes_on_where_the_peak_cannot_be_predicted(
    align: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, reason in (
        (ZeroDivisionError("odd encoder"), "odd encoder"),
        (torch.OutOfMemoryError(), "batch_tokens"),
    ):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(alignment, "predict_peak", fail)
        assert align("--dry-run") == 0
        told = capfd.readouterr()
        assert "peak memory not predicted" in told.err and reason in told.err
        assert "steps" in told.out and "peak memory" not in told.out
