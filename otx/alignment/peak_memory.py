"""Predict the peak of an alignment's memory on its device, without a whole step.

The model: weights and constant tensors, which are all there; AdamW's two moments and the gradients, which are known by
their sizes; and what the largest micro-batch takes in its forward and backward pass. The last is measured with small
parts of that micro-batch, and grows in proportion to the sub-words. If an objective reads the whole batch, it also has
a part that grows with the square.

Gradients are dropped as soon as they are computed, because a small part of a micro-batch would be outweighed by them.
In the backward pass of a whole one, activations are freed faster than gradients come.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from otx.alignment.trainable import MicroBatch, TrainableAlignment
from otx.training.memory_meter import measured_peak, memory_in_use
from otx.training.optimizer import trained_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCHED = 500
"""Steps among which the largest micro-batch is searched."""
GPU_PART, CPU_PART, SQUARE_PART = 1 / 4, 1 / 8, 1 / 2
"""Part of a micro-batch that is measured, beside half of it: on a GPU, on a CPU, where it takes seconds, and where an
objective reads the whole batch."""
FEW = 4
"""Pairs of which the part has at least as many, if the micro-batch has."""
MOMENTS = 2
"""Numbers that AdamW keeps for each trained weight."""


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The predicted peak of the memory on a device, in bytes.

    Attributes:
        device: The device.
        weights: All encoders and objectives, trained or not, and constant tensors.
        optimizer: The moments of AdamW.
        gradients: The gradients of the trained parameters.
        micro_batch: Forward and backward pass of the largest micro-batch, and workspaces of the device's libraries.
        peak: The peak. Gradients and micro-batch count together only where a step has several micro-batches.
        subwords: Sub-words of the largest micro-batch.
    """

    device: str
    weights: int
    optimizer: int
    gradients: int
    micro_batch: int
    peak: int
    subwords: int

    def describe(self) -> str:
        """Return the peak and its parts in one line.

        Example:
            >>> PeakMemory("cuda", 10**9, 2 * 10**9, 10**9, 4 * 10**9, 7 * 10**9, 4000).describe()
            'peak memory on cuda about 7.0 GB: weights 1.0, AdamW 2.0, gradients 1.0, a micro-batch of 4,000 sub-words 4.0'
        """
        names = ("weights", "AdamW", "gradients", f"a micro-batch of {self.subwords:,} sub-words")
        sizes = (self.weights, self.optimizer, self.gradients, self.micro_batch)
        parts = [f"{name} {_amount(size)}" for name, size in zip(names, sizes, strict=True)]
        return f"peak memory on {self.device} about {_amount(self.peak)} GB: {', '.join(parts)}"


def _amount(size: int) -> str:
    return f"{size / 1e9:.2g}" if size < 1e9 else f"{size / 1e9:.1f}"


def predict_peak(job: TrainableAlignment, autocast: torch.dtype | None) -> PeakMemory:
    """Predict the peak of the training's memory.

    Some sentences are encoded and passed backward, and the weights stay as they are. Batch normalisation, momentum
    queues and the like move on, so the job should not be trained afterwards.

    Args:
        job: The alignment, in the mode in which it is trained.
        autocast: Type that the forward pass is autocast to; None for float32.

    Raises:
        Exception: Whatever encoder and objectives raise, such as ``torch.OutOfMemoryError``.
    """
    trained = trained_parameters(job.modules)
    device = next(job.encoder.module.parameters()).device
    weights = memory_in_use(device)
    with _dropped_gradients(trained) as arrived:
        candidates = _largest(job)
        # Kernels are compiled and workspaces taken once.
        _pass(job, _part(job, candidates[0], FEW), autocast)
        workspace = memory_in_use(device) - weights if device.type == "cuda" else 0
        sizes = [_size(job, batch, autocast, device) for batch in candidates]
    gradients = sum(arrived.values())
    micro_batch = max(sizes) + workspace
    several = len(job.micro_batches(0)) > 1
    step = micro_batch + gradients if several else max(micro_batch, gradients)
    optimizer = MOMENTS * gradients
    return PeakMemory(
        device=str(device),
        weights=weights,
        optimizer=optimizer,
        gradients=gradients,
        micro_batch=micro_batch,
        peak=weights + optimizer + step,
        subwords=max(job.size(batch)[1] for batch in candidates),
    )


def largest_step(job: TrainableAlignment) -> int:
    """Return the step with the largest micro-batch.

    Args:
        job: The alignment.
    """
    return _largest(job)[0].step


def _largest(job: TrainableAlignment) -> list[MicroBatch]:
    """Return the micro-batch with most sub-words, and the one in which sentences are longest."""
    steps = min(job.steps, job.material.sampler.steps_per_epoch, SEARCHED)
    batches = [batch for step in range(steps) for batch in job.micro_batches(step)]
    chosen = [
        max(batches, key=lambda batch: int(_lengths(job, batch).sum())),
        max(batches, key=lambda batch: int((_lengths(job, batch) ** 2).sum())),
    ]
    same = chosen[0] is chosen[1]
    # The gradient of each objective is measured in some steps, which takes memory.
    return [replace(batch, measured=True) for batch in chosen[: 1 if same else 2]]


def _lengths(job: TrainableAlignment, batch: MicroBatch) -> np.ndarray:
    lengths: np.ndarray = job.material.tokenised[batch.corpus].lengths[batch.indices]
    return lengths.astype(np.int64)


def _part(job: TrainableAlignment, batch: MicroBatch, count: int) -> MicroBatch:
    """Return some pairs of a micro-batch with the same spread of lengths, the longest pair included."""
    order = np.argsort(-_lengths(job, batch).sum(1), kind="stable")
    count = min(count, len(order))
    places = np.linspace(0, len(order) - 1, count).round().astype(int)
    return replace(batch, indices=batch.indices[order[places]])


def _size(
    job: TrainableAlignment,
    batch: MicroBatch,
    autocast: torch.dtype | None,
    device: torch.device,
) -> int:
    """Return the memory that a pass of a micro-batch takes, from two parts of it."""
    whole = any(getattr(part, "scope", "mean") == "batch" for part in job.objective.parts)
    share = SQUARE_PART if whole else GPU_PART if device.type == "cuda" else CPU_PART
    count = max(FEW, round(share * len(batch.indices)))
    measured = []
    for part in (_part(job, batch, count // 2), _part(job, batch, count)):
        with measured_peak(device) as peak:
            _pass(job, part, autocast)
        measured.append((job.size(part)[1] / job.size(batch)[1], peak()))
    return _extrapolated(measured, squares=whole)


def _extrapolated(measured: Sequence[tuple[float, int]], *, squares: bool) -> int:
    """Return the size of the whole from two parts.

    Args:
        measured: Share and size of each part.
        squares: Whether the size has a part that grows with the square of the share.

    Example:
        >>> _extrapolated([(0.25, 35), (0.5, 60)], squares=False)
        110
        >>> _extrapolated([(0.25, 50), (0.5, 150)], squares=True)
        500
    """
    (low, first), (high, second) = measured
    if high <= low:
        return round(second / high)
    line = second + (second - first) / (high - low) * (1 - high)
    if not squares:
        return round(max(line, second))
    slope = (second / high - first / low) / (high - low)
    return round(max(line, second / high + slope * (1 - high)))


def _pass(job: TrainableAlignment, batch: MicroBatch, autocast: torch.dtype | None) -> None:
    """Compute the loss of a micro-batch, and pass backward."""
    device = next(job.encoder.module.parameters()).device
    prepared = job.prepare(batch)
    with torch.autocast(device.type, autocast, enabled=autocast is not None):
        value = job.loss(prepared).value
    value.backward()  # type: ignore[no-untyped-call]
    del value
    job.gradients()


@contextmanager
def _dropped_gradients(trained: Sequence[Any]) -> Iterator[dict[int, int]]:
    """Drop every gradient as soon as it is whole; yield the sizes of those that came, by number of the parameter."""
    arrived: dict[int, int] = {}

    def drop(number: int, parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        arrived[number] = parameter.grad.untyped_storage().nbytes()
        parameter.grad = None

    hooks = [
        parameter.register_post_accumulate_grad_hook(
            lambda parameter, number=number: drop(number, parameter)
        )
        for number, parameter in enumerate(trained)
    ]
    try:
        yield arrived
    finally:
        for hook in hooks:
            hook.remove()
