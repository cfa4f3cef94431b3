"""The sum of gradients over processes, in buckets that travel while the backward pass still computes others.

This is what ``DistributedDataParallel`` does, with three differences that the loop needs: gradients are summed, because
each process's loss is its part of the whole loss; a parameter that no process used keeps no gradient, without waiting
for the device (AdamW would decay it); and a number of the step travels with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from otx.training.processes import Processes, ProcessGroup
from otx.training.sharded_tensors import is_sharded

BUCKET_BYTES = 25 * 2**20
"""Size of a bucket: large enough for the network, small enough to begin early."""


class Reduction:
    """The gradients of one process alone, which are whole as they are."""

    def backward(self, value: Tensor, *, last: bool) -> None:
        """Pass backward through a part of the step's loss.

        Args:
            value: The part ``[]``.
            last: Whether it is the last of the step, whose gradients may travel.
        """
        value.backward()  # type: ignore[no-untyped-call]

    def finish(self, bad: Tensor) -> Tensor:
        """Complete the gradients of the step.

        Args:
            bad: 1 ``[]`` if a number of this process is not finite, else 0.

        Returns:
            1 ``[]`` if a number of any process is not finite, else 0.
        """
        return bad

    def close(self) -> None:
        """Leave the parameters as they were."""


def make_reduction(processes: Processes, parameters: Sequence[nn.Parameter]) -> Reduction:
    """Return what makes the gradients of a step whole.

    Args:
        processes: The processes.
        parameters: The trained parameters, each once, in the same order everywhere. Those that are sharded are left
            out, because their gradients are summed while they are computed.
    """
    if isinstance(processes, ProcessGroup):
        return BucketedReduction(processes, [p for p in parameters if not is_sharded(p)])
    return Reduction()


@dataclass(slots=True)
class _Bucket:
    """Parameters whose gradients travel together."""

    parameters: list[nn.Parameter]
    missing: int = 0
    flat: Tensor | None = None
    work: Any = None
    used: list[nn.Parameter] = field(default_factory=list)


class BucketedReduction(Reduction):
    """Sums the gradients over processes.

    Args:
        processes: The processes.
        parameters: The trained parameters, each once.
        size: Size of a bucket in bytes.
    """

    def __init__(
        self,
        processes: ProcessGroup,
        parameters: Sequence[nn.Parameter],
        size: int = BUCKET_BYTES,
    ) -> None:
        self._processes, self._parameters, self._size = processes, list(parameters), size
        self._travelling = False
        self._divide(self._parameters)
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(self._arrived)  # type: ignore[no-untyped-call]
            for parameter in self._parameters
        ]

    def backward(self, value: Tensor, *, last: bool) -> None:
        """Pass backward, and send every bucket that is complete; see ``Reduction``."""
        self._travelling = last
        with self._processes.computing():
            value.backward()  # type: ignore[no-untyped-call]
        self._travelling = False

    def finish(self, bad: Tensor) -> Tensor:
        """Send what is left, and put the sums in place; see ``Reduction``."""
        while self._sent < len(self._buckets) - 1:
            self._send()
        self._send(bad)
        used = {id(p) for bucket in self._buckets for p in bucket.used}
        used |= {id(p) for p in self._parameters if p.grad is not None}
        used_here = [id(p) in used for p in self._parameters]
        flags = self._processes.any(used_here) if used_here else []
        everywhere = [p for p, flag in zip(self._parameters, flags, strict=True) if flag]
        expected = {id(p) for bucket in self._buckets for p in bucket.parameters}
        late = [p for p in everywhere if id(p) not in expected]
        self._receive({id(p) for p in everywhere})
        last = self._buckets[-1].flat
        assert last is not None
        total = (last[-1:].sum() > 0).to(bad)
        for parameter in late:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = self._processes.sum(gradient)
        # Where the parameters in use change, as when a term's weight leaves 0, the next step expects the new ones.
        changed = late or len(everywhere) != len(expected)
        self._divide(everywhere if everywhere and changed else None)
        return total

    def close(self) -> None:
        """Remove the hooks of the parameters."""
        for hook in self._hooks:
            hook.remove()

    def _divide(self, parameters: Sequence[nn.Parameter] | None) -> None:
        """Make the buckets of the next step; of the same parameters if None."""
        if parameters is not None:
            # One at least, for the step's number.
            self._groups = _groups(parameters, self._size) or [[]]
        self._buckets = [_Bucket(group, len(group)) for group in self._groups]
        self._places = {id(p): bucket for bucket in self._buckets for p in bucket.parameters}
        self._sent = 0

    def _arrived(self, parameter: Tensor) -> None:
        bucket = self._places.get(id(parameter))
        if not self._travelling or bucket is None:
            return
        bucket.missing -= 1
        # In one order everywhere, and the last one with the step's number.
        while self._sent < len(self._buckets) - 1 and not self._buckets[self._sent].missing:
            self._send()

    def _send(self, bad: Tensor | None = None) -> None:
        bucket = self._buckets[self._sent]
        self._sent += 1
        parts = []
        for parameter in bucket.parameters:
            if parameter.grad is None:
                parts.append(torch.zeros_like(parameter).reshape(-1))
            else:
                bucket.used.append(parameter)
                parts.append(parameter.grad.reshape(-1))
                parameter.grad = None
        if bad is not None:
            parts.append(bad.to(parts[0] if parts else bad).reshape(1))
        bucket.flat = torch.cat(parts)
        with self._processes.guarded():
            bucket.work = dist.all_reduce(bucket.flat, async_op=True)

    def _receive(self, everywhere: set[int]) -> None:
        for bucket in self._buckets:
            with self._processes.guarded():
                bucket.work.wait()
            assert bucket.flat is not None
            place = 0
            for parameter in bucket.parameters:
                if id(parameter) in everywhere:
                    part = bucket.flat[place : place + parameter.numel()]
                    parameter.grad = part.view_as(parameter)
                place += parameter.numel()


def _groups(parameters: Sequence[nn.Parameter], size: int) -> list[list[nn.Parameter]]:
    """Group parameters of one type and device, the last ones first: their gradients come first."""
    groups: list[list[nn.Parameter]] = []
    filled = 0
    for parameter in reversed(parameters):
        last = groups[-1][-1] if groups else None
        alike = last is not None and (last.dtype, last.device) == (
            parameter.dtype,
            parameter.device,
        )
        if not alike or filled >= size:
            groups.append([])
            filled = 0
        groups[-1].append(parameter)
        filled += parameter.numel() * parameter.element_size()
    return groups
