"""The part of a micro-batch that one process computes, and how the parts become one loss.

A micro-batch does not depend on the number of processes. Each computes the views of its own pairs. An objective of
scope ``mean`` reads those; its loss counts by its share of all items. For an objective of scope ``batch`` the views of
all processes are gathered, and each computes the loss of the whole batch, which counts by one over their number. Either
way the sum over processes is the loss, and the sum of the gradients is its gradient.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from otx.interfaces import Objective, View
from otx.tensor_tree import host_fields, map_tensors, walk_tensors
from otx.training.processes import Processes, ProcessGroup
from otx.types import EncodedPair, Loss
from otx.views import States

_ALIGNED = 16
"""Bytes at whose multiples a tensor begins among those that travel together."""


class Shard:
    """A whole micro-batch, in one process alone.

    Attributes:
        rows: The pairs that this process computes, as places in the micro-batch.
        factor: Number of processes that compute the gradient of each gathered view.
    """

    factor = 1

    def __init__(self, pairs: int) -> None:
        self.rows = slice(0, pairs)

    def gather(self, pair: EncodedPair) -> EncodedPair:
        """Return the views of all pairs of the micro-batch.

        Args:
            pair: The views of this process's pairs.
        """
        return pair

    def shares(self, losses: Mapping[str, Loss], split: Collection[str]) -> dict[str, Loss]:
        """Return each loss, with its terms and health numbers, as this process's share: the sum is that of the batch.

        Args:
            losses: Losses by name.
            split: Names of the losses that were computed of this process's pairs alone.
        """
        return dict(losses)


class ProcessShard(Shard):
    """One process's pairs of a micro-batch.

    A process that has none computes the first pair, without weight: it takes part in everything, and changes nothing.

    Args:
        lengths: Sub-words of each pair of the micro-batch, by which the pairs are divided.
        processes: The processes.
    """

    def __init__(self, lengths: np.ndarray, processes: ProcessGroup) -> None:
        self._processes = processes
        bounds = shard_bounds(lengths, processes.count)
        self._pairs = np.diff(bounds).tolist()
        start, stop = bounds[processes.rank : processes.rank + 2].tolist()
        self._is_empty = start == stop
        self.rows = slice(0, 1) if self._is_empty else slice(start, stop)
        self.factor = processes.count

    def gather(self, pair: EncodedPair) -> EncodedPair:
        """Return the views of all pairs, whose gradients come back to their own process; see ``Shard``."""
        values: dict[type[View[Any]], Any] = {States: pair[States]}
        values |= {view: value for view, value in pair.views.items() if view.of_pairs}
        tensors = [tensor for _, tensor in walk_tensors(values)]
        known = list(host_fields(values))
        layout = self._processes.gather(([tuple(tensor.shape) for tensor in tensors], known))
        shapes = [shapes for shapes, _ in layout]
        gathered = iter(_Gather.apply(self._processes, shapes, *tensors))  # type: ignore[no-untyped-call]
        parts = [_filled(values, gathered, iter(fields)) for _, fields in layout]
        pairs = [count for count in self._pairs if count]
        parts = [part for part, count in zip(parts, self._pairs, strict=True) if count]
        whole = {view: view.join([part[view] for part in parts], pairs) for view in values}
        sides = whole.pop(States)
        return EncodedPair(sides.source, sides.pivot, dict(pair.views) | whole, pair.declared)

    def shares(self, losses: Mapping[str, Loss], split: Collection[str]) -> dict[str, Loss]:
        """Weigh each loss; see ``Shard``."""
        names = [name for name in losses if name in split]
        weights: dict[str, Tensor | float] = dict.fromkeys(losses, 1 / self._processes.count)
        if names:
            device = losses[names[0]].value.device
            counts = torch.stack([self._count(losses[name], device) for name in names])
            total = self._processes.sum(counts)
            # Without any item in any process, the loss is that of no item, which is not defined.
            parts = torch.where(total > 0, counts / total.clamp(min=1), 0)
            weights |= dict(zip(names, parts.unbind(), strict=True))
        return {name: _weighted(loss, weights[name]) for name, loss in losses.items()}

    def _count(self, loss: Loss, device: torch.device) -> Tensor:
        if self._is_empty or loss.count is None:
            return torch.zeros((), dtype=torch.float64, device=device)
        if isinstance(loss.count, Tensor):
            return loss.count.detach().to(device, torch.float64)
        return torch.full((), float(loss.count), dtype=torch.float64, device=device)


def make_shard(lengths: np.ndarray, processes: Processes) -> Shard:
    """Return this process's part of a micro-batch.

    Args:
        lengths: Sub-words of each pair.
        processes: The processes.
    """
    if isinstance(processes, ProcessGroup):
        return ProcessShard(lengths, processes)
    return Shard(len(lengths))


def is_split(objective: Objective) -> bool:
    """Return whether an objective's loss can be computed part by part.

    Its scope must be ``mean``, and its views must all be of pairs: the encoder's parameters are the same in every part,
    so that the squares of their gradients would not add up.

    Args:
        objective: The objective.
    """
    return objective.scope == "mean" and all(view.of_pairs for view in objective.views)


def shard_bounds(lengths: np.ndarray, count: int) -> np.ndarray:
    """Divide pairs into consecutive parts with about as many sub-words each.

    Args:
        lengths: Sub-words of each pair.
        count: Number of parts.

    Returns:
        Where each part begins, and the end ``[count + 1]``; a part may be empty.

    Example:
        >>> shard_bounds(np.array([5, 5, 5, 5]), 2).tolist(), shard_bounds(np.array([5]), 2).tolist()
        ([0, 2, 4], [0, 0, 1])
    """
    middles = np.cumsum(lengths) - np.asarray(lengths) / 2
    cuts = np.sum(lengths) * np.arange(1, count) / count
    inner = np.searchsorted(middles, cuts)
    return np.concatenate(([0], inner, [len(lengths)]))


class _Gather(torch.autograd.Function):
    """All processes' tensors; every process computes the same loss of them, of which it counts one part."""

    @staticmethod
    def forward(
        ctx: Any,
        processes: ProcessGroup,
        shapes: Sequence[Sequence[tuple[int, ...]]],
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """Send and receive all tensors as bytes, in one operation."""
        places = [_places(several, tensors) for several in shapes]
        size = max(end for _, end in places)
        sent = tensors[0].new_zeros(size, dtype=torch.uint8)
        for place, tensor in zip(places[processes.rank][0], tensors, strict=True):
            data = tensor.contiguous().reshape(-1).view(torch.uint8)
            sent[place : place + len(data)] = data
        received = sent.new_empty(size * processes.count)
        with processes.guarded():
            # PyTorch 2.13 renamed it, and warns of the old name.
            if hasattr(dist, "all_gather_single"):
                dist.all_gather_single(received, sent)
            else:
                dist.all_gather_into_tensor(received, sent)
        outputs = []
        for rank, (several, (starts, _)) in enumerate(zip(shapes, places, strict=True)):
            for shape, start, tensor in zip(several, starts, tensors, strict=True):
                begin, length = rank * size + start, _bytes(shape, tensor)
                data = received[begin : begin + length].view(tensor.dtype)
                outputs.append(data.view(shape))
        constant = [not needed for needed in ctx.needs_input_grad[2:]] * processes.count
        ctx.mark_non_differentiable(
            *(out for out, fixed in zip(outputs, constant, strict=True) if fixed)
        )
        ctx.rank, ctx.count, ctx.tensors = processes.rank, processes.count, len(tensors)
        ctx.set_materialize_grads(False)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Keep the gradients of this process's tensors: the others' are computed where they belong."""
        own = gradients[ctx.rank * ctx.tensors : (ctx.rank + 1) * ctx.tensors]
        return (None, None, *(None if one is None else one * ctx.count for one in own))


def _filled(value: Any, tensors: Iterator[Any], known: Iterator[Any]) -> Any:
    """Return a value of the same structure with the next tensors, and the next fields that a host knows."""
    return map_tensors(lambda _: next(tensors), value, on_host=lambda _: next(known))


def _places(shapes: Sequence[tuple[int, ...]], tensors: Sequence[Tensor]) -> tuple[list[int], int]:
    """Return where each of a process's tensors begins among its bytes, and their end."""
    starts, end = [], 0
    for shape, tensor in zip(shapes, tensors, strict=True):
        starts.append(end)
        end += -(-_bytes(shape, tensor) // _ALIGNED) * _ALIGNED
    return starts, end


def _bytes(shape: tuple[int, ...], tensor: Tensor) -> int:
    return int(np.prod(shape, dtype=np.int64)) * tensor.element_size()


def _weighted(loss: Loss, weight: Tensor | float) -> Loss:
    def share(value: Tensor) -> Tensor:
        if isinstance(weight, float):
            return value * weight
        # A part without items may have a value that is not defined.
        return torch.where(weight > 0, value, 0) * weight.to(value.dtype)

    return replace(
        loss,
        value=share(loss.value),
        terms={name: share(value) for name, value in loss.terms.items()},
        health={name: share(value) for name, value in loss.health.items()},
    )
