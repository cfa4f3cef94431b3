"""Predict the peak of an alignment's memory on its device, without a whole step.

The model: weights and constant tensors, which are all there; AdamW's two moments, known by their sizes; and the largest
micro-batch with the gradients that it leaves. A step is a series of stretches: the forward pass, and then the backward
pass from one gradient to the next. Two small parts of the micro-batch show what each stretch takes beside the
gradients, which grows with the sub-words. If an objective reads the whole batch, it also grows with their square.
Gradients do not grow, and add up from stretch to stretch. The peak is that of the highest stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from otx.alignment.trainable import MicroBatch, TrainableAlignment
from otx.training.memory_meter import PeakMeter, memory_in_use
from otx.training.optimizer import trained_parameters

SEARCHED = 500
"""Steps among which the largest micro-batch is searched."""
GPU_PART, CPU_PART, SQUARE_PART = 1 / 4, 1 / 8, 1 / 2
"""Part of a micro-batch that is measured, beside half of it: on a GPU; on a CPU, where it takes seconds; and where an
objective reads the whole batch."""
FEW = 4
"""Fewest pairs of a part, if the micro-batch has as many."""
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
        micro_batch: Forward and backward pass of the largest micro-batch beside its gradients, and workspaces of the
            device's libraries.
        peak: The peak. In a step of one micro-batch, most gradients come when most of its memory is free again.
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
            >>> PeakMemory("cpu", 10**9, 10**8, 5 * 10**7, 4 * 10**9, 5 * 10**9, 4000).describe()
            'peak memory on cpu about 5.0 GB: weights 1.0 GB, AdamW 100 MB, gradients 50 MB, 4,000 sub-words 4.0 GB'
        """
        parts = {
            "weights": self.weights,
            "AdamW": self.optimizer,
            "gradients": self.gradients,
            f"{self.subwords:,} sub-words": self.micro_batch,
        }
        text = ", ".join(f"{name} {_amount(size)}" for name, size in parts.items())
        return f"peak memory on {self.device} about {_amount(self.peak)}: {text}"


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


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
    candidates = _largest(job)
    # Kernels are compiled and workspaces taken once.
    stretches = _stretches(job, _part(job, candidates[0], FEW), autocast, trained)
    workspace = memory_in_use(device) - weights if device.type == "cuda" else 0
    gradients = sum(stretch.gradient for stretch in stretches)
    several = len(job.micro_batches(0)) > 1
    micro_batch = step = 0
    for batch in candidates:
        present = gradients if several else 0
        for stretch in _whole(job, batch, autocast, trained):
            present += 0 if several else stretch.gradient
            micro_batch = max(micro_batch, workspace + stretch.size)
            step = max(step, workspace + stretch.size + present)
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
    steps = range(min(job.steps, SEARCHED))
    batches = [batch for step in steps for batch in job.micro_batches(step)]
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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a step that ends with a gradient, or the one that remains after the last.

    Attributes:
        name: Number of the parameter; -1 for the last stretch.
        size: Peak of the memory within it, gradients left out.
        gradient: Size of the gradient.
    """

    name: int
    size: int
    gradient: int


def _whole(
    job: TrainableAlignment,
    batch: MicroBatch,
    autocast: torch.dtype | None,
    trained: Sequence[nn.Parameter],
) -> list[_Stretch]:
    """Return the stretches of a micro-batch, from those of two parts of it."""
    squares = any(getattr(part, "scope", "mean") == "batch" for part in job.objective.parts)
    gpu = trained[0].device.type == "cuda"
    share = SQUARE_PART if squares else GPU_PART if gpu else CPU_PART
    count = max(FEW, round(share * len(batch.indices)))
    parts = [_part(job, batch, count // 2), _part(job, batch, count)]
    low, high = (job.size(part)[1] / job.size(batch)[1] for part in parts)
    few, many = (_stretches(job, part, autocast, trained) for part in parts)
    small = {stretch.name: stretch.size for stretch in few}
    return [
        replace(
            stretch,
            size=_extrapolated(
                (low, small.get(stretch.name, stretch.size)), (high, stretch.size), squares=squares
            ),
        )
        for stretch in many
    ]


def _extrapolated(few: tuple[float, int], many: tuple[float, int], *, squares: bool) -> int:
    """Return the size of the whole from those of two parts.

    Args:
        few: Share and size of the smaller part.
        many: Share and size of the other.
        squares: Whether the size has a part that grows with the square of the share.

    Example:
        >>> _extrapolated((0.25, 35), (0.5, 60), squares=False)
        110
        >>> _extrapolated((0.25, 50), (0.5, 150), squares=True)
        500
    """
    (low, first), (high, second) = few, many
    if high <= low:
        return round(second / high)
    line = second + (second - first) / (high - low) * (1 - high)
    if not squares:
        return round(max(line, second))
    slope = (second / high - first / low) / (high - low)
    return round(max(line, second, second / high + slope * (1 - high)))


def _stretches(
    job: TrainableAlignment,
    batch: MicroBatch,
    autocast: torch.dtype | None,
    trained: Sequence[nn.Parameter],
) -> list[_Stretch]:
    """Compute the loss of a micro-batch, pass backward, and return what each stretch took; drop the gradients."""
    device = trained[0].device
    stretches: list[_Stretch] = []
    meter = PeakMeter(device)

    def end(number: int, parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        size = parameter.grad.untyped_storage().nbytes()
        stretches.append(_Stretch(number, meter.peak() - size, size))
        parameter.grad = None
        meter.restart()

    hooks = [
        parameter.register_post_accumulate_grad_hook(partial(end, number))  # type: ignore[no-untyped-call]
        for number, parameter in enumerate(trained)
    ]
    try:
        with meter:
            prepared = job.prepare(batch)
            with torch.autocast(device.type, autocast, enabled=autocast is not None):
                value = job.loss(prepared).value
            value.backward()  # type: ignore[no-untyped-call]
            job.gradients()
        return [*stretches, _Stretch(-1, meter.peak(), 0)]
    finally:
        for hook in hooks:
            hook.remove()
