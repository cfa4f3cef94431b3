"""The memory of tensors is that of PyTorch's allocator, which the profiler records."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from otx.training.memory_meter import PeakMeter, memory_in_use

CPU = torch.device("cpu")


def profiled_peak(call: Callable[[], None]) -> int:
    """Return the peak of what PyTorch's allocator gave out during a call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    kineto = recorded.profiler.kineto_results  # type: ignore[union-attr]
    events = [event for event in kineto.events() if event.name() == "[memory]"]
    present = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        present += event.nbytes()
        peak = max(peak, present)
    return peak


def test_the_peak_of_a_step_is_the_allocators() -> None:
    net = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.LayerNorm(256), nn.Linear(256, 8))
    inputs = torch.randn(100, 64)

    def step() -> None:
        net.zero_grad()
        net(inputs).square().mean().backward()

    step()
    with PeakMeter(CPU) as meter:
        step()
    # Beside it, only what single operations take for themselves.
    assert meter.peak() == pytest.approx(profiled_peak(step), rel=0.01)
    assert meter.peak() > 2 * 100 * 256 * 4


def test_views_and_what_was_there_before_count_nothing() -> None:
    old = torch.ones(1000)
    with PeakMeter(CPU) as meter:
        old.view(10, 100).t().add_(1)
        assert meter.peak() == 0
        new = old + 1
        new.mul_(2).view(10, 100)
        assert meter.peak() == 4000
        del new
        old = old + 1
    assert meter.peak() == 4000


def test_memory_in_use_counts_each_storage_once() -> None:
    before = memory_in_use(CPU)
    tensor = torch.ones(1000, 1000)
    views = [tensor.t(), nn.Parameter(tensor)]
    assert memory_in_use(CPU) - before == 4_000_000
    del tensor, views
    assert memory_in_use(CPU) == before


def test_a_new_peak_begins_at_what_is_in_use() -> None:
    with PeakMeter(CPU) as meter:
        kept = torch.ones(100).neg()
        del kept
        kept = torch.ones(10).neg()
        meter.restart()
        assert meter.peak() == 40
        more = kept.neg()
    assert meter.peak() == 40 + more.nbytes
