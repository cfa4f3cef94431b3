"""The benchmark of a GPU runs on a CPU, and its contestants compute the same."""

import pytest
import torch

from benchmarks import align_gpu
from benchmarks.align_gpu import MODELS, Bench, _pad
from benchmarks.device_clock import ObjectiveTimes

BENCH = Bench(MODELS["tiny"], tokens=256, device=torch.device("cpu"), seconds=0.1)


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align_gpu, "PAIRS", 500)


def test_a_line_of_the_table_is_whole() -> None:
    ours = BENCH.ours()
    assert ours["packed"] and ours["pairs"] > 0 and ours["operations"] > 0
    assert 0 < ours["objective"] < 1
    assert BENCH.peer()["pairs"] > 0


def test_the_peer_has_the_same_loss() -> None:
    values = []
    for pads in (False, True):
        torch.manual_seed(0)
        job = BENCH.job()
        job.encoder.module.eval()
        if pads:
            for encoder in (job.encoder, job.auxiliary.reference):
                _pad(encoder)
        times = ObjectiveTimes(job, BENCH.device)
        batch = job.micro_batches(0)[0]
        loss = job.loss(job.prepare(batch)).value
        loss.backward()  # type: ignore[no-untyped-call]
        assert times.seconds(0, 1) > 0
        values.append(loss.item())
    assert values[0] == pytest.approx(values[1], rel=1e-4)
