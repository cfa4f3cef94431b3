"""Encoders whose parameters, gradients and AdamW moments are divided over the processes of a run.

This is PyTorch's ``fully_shard`` (FSDP2): a layer is gathered just before it computes and freed just after. Between
steps a process keeps its part of every parameter, as a ``DTensor``. Sums of gradients are those of one process, not
means; see ``otx.training.shards``.

References:
    Zhao et al. (2023), "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel". https://arxiv.org/abs/2304.11277
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from otx.errors import UsageError
from otx.interfaces import Encoder, View
from otx.tensor_tree import walk_tensors
from otx.training.auxiliary_encoders import AuxiliaryEncoders
from otx.training.freezing import stack
from otx.training.processes import ProcessGroup
from otx.training.sharded_tensors import gathered
from otx.types import Encoded, TokenBatch
from otx.views.context import encode_together

Value = TypeVar("Value")

SETTING = "runtime.shard"


class ShardedEncoder:
    """An encoder whose calls gather its parameters layer by layer; all other members are those of the encoder itself.

    Every process makes the same calls in the same order, each with its own texts.

    Args:
        encoder: The encoder, as large in every process; changed in place. Its layers are sharded one by one, the rest
            of its parameters together; all of them together if its layers cannot be identified.
        processes: The processes. All take the weights of the first.
        device: Device on which the parameters are kept.

    Raises:
        UsageError: If a parameter has no dimension that could be divided.
    """

    def __init__(self, encoder: Encoder, processes: ProcessGroup, device: torch.device) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        for name, parameter in encoder.module.named_parameters():
            if parameter.ndim == 0:
                raise UsageError(
                    f"{encoder.reference}: parameter {name} is a single number, which {SETTING} cannot divide",
                    f"set {SETTING} = false for this encoder",
                )
        # It warns of changes in place, which nothing makes.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
        self._encoder, self._processes = encoder, processes
        self._states: list[Tensor] = []
        mesh = init_device_mesh(device.type, (processes.count,))
        self._root: nn.Module = _Calls(encoder.module)
        trained = any(p.requires_grad for p in encoder.module.parameters())
        with processes.guarded():
            for layer in _layers(encoder):
                fully_shard(layer, mesh=mesh, reshard_after_forward=True)
            # Outside of the layers, a gradient needs the parameters again at once; without gradients, nothing does.
            fully_shard(self._root, mesh=mesh, reshard_after_forward=None if trained else True)
        for part in self._root.modules():
            if isinstance(part, FSDPModule):
                part.set_gradient_divide_factor(1.0)
                # gloo has no other.
                part.set_force_sum_reduction_for_comms(True)

    def __getattr__(self, name: str) -> Any:
        """Return a member of the encoder itself.

        Args:
            name: Name of the member.
        """
        return getattr(self.__dict__["_encoder"], name)

    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        """Compute hidden states; see ``otx.interfaces.Encoder``.

        Args:
            batch: A batch of ``collate``.
            layers: Layers to return.
        """
        return self._call(lambda: self._encoder.encode(batch, layers))

    def encode_together(
        self, batches: Sequence[TokenBatch], layers: Sequence[int] = (-1,)
    ) -> list[Encoded]:
        """Compute hidden states of several batches; see ``otx.interfaces.Encoder``.

        Args:
            batches: Batches of ``collate``.
            layers: Layers to return.
        """
        return self._call(lambda: encode_together(self._encoder, batches, layers))

    def masked_logits(self, batch: TokenBatch, picked: Tensor) -> Tensor:
        """Predict masked sub-words; see ``otx.interfaces.Encoder``.

        Args:
            batch: A batch of ``collate``.
            picked: Positions to predict ``[B, T]``.
        """
        return self._call(lambda: self._encoder.masked_logits(batch, picked))

    def reached_by(self, loss: Tensor) -> Tensor:
        """Return a loss ``[]`` whose gradient reaches all that was computed since the last call, if only as 0.

        Layers are gathered and gradients summed while the gradient passes: it must pass in every process, even where
        the loss of a process's own pairs does not depend on them.

        Args:
            loss: The loss of this process.
        """
        states, self._states = self._states, []
        reached: Tensor = _Reached.apply(loss, *states)  # type: ignore[no-untyped-call]
        return reached

    def copy_to(self, whole: Encoder | None) -> None:
        """Gather the present weights; every process calls this.

        Args:
            whole: Encoder of the same structure that receives them, in the first process; None elsewhere.
        """
        targets = {} if whole is None else whole.module.state_dict()
        with self._processes.guarded():
            for name, value in self._encoder.module.state_dict().items():
                weights = gathered(value)
                if whole is not None:
                    targets[name].copy_(weights)

    def _call(self, function: Callable[[], Value]) -> Value:
        """Call a function that reads the parameters, and keep its results until ``reached_by``."""
        results: list[Value] = []

        def call() -> Value:
            results.append(function())
            return results[0]

        with self._processes.computing():
            self._states += self._root(call)
        return results[0]


class _Calls(nn.Module):
    """The module whose forward pass is any function that reads an encoder's parameters."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, function: Callable[[], Any]) -> list[Tensor]:
        """Call the function, and return the tensors of its result that send gradients back."""
        return [tensor for _, tensor in walk_tensors(function()) if tensor.requires_grad]


class _Reached(torch.autograd.Function):
    """A loss that sends a gradient of 0 to tensors on which it may not depend."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, *states: Tensor) -> Tensor:
        ctx.shapes = [state.shape for state in states]
        ctx.types = [state.dtype for state in states]
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (gradient,) = gradients
        zeros = [
            gradient.new_zeros((), dtype=dtype).expand(shape)
            for shape, dtype in zip(ctx.shapes, ctx.types, strict=True)
        ]
        return gradient, *zeros


def shard_encoders(
    encoder: Encoder,
    auxiliary: AuxiliaryEncoders,
    processes: ProcessGroup,
    device: torch.device,
) -> tuple[Encoder, AuxiliaryEncoders]:
    """Shard an encoder and the frozen encoders beside it.

    Args:
        encoder: The encoder to train. In the first process it stays whole, and a copy is sharded.
        auxiliary: The frozen encoders; changed in place.
        processes: The processes.
        device: Device of the run.

    Returns:
        The sharded encoders.

    Raises:
        UsageError: If an encoder cannot be sharded.
    """
    originals = [encoder, *auxiliary.by_name().values()]
    processes.copy_first(
        [t for one in originals for t in (*one.module.parameters(), *one.module.buffers())]
    )
    trained = copy.deepcopy(encoder) if processes.is_first else encoder
    sharded: dict[int, Any] = {}
    for one in auxiliary.by_name().values():
        # The teacher may be the reference.
        if id(one) not in sharded:
            sharded[id(one)] = ShardedEncoder(one, processes, device)
    frozen = {name: sharded[id(one)] for name, one in auxiliary.by_name().items()}
    sharded_trained: Any = ShardedEncoder(trained, processes, device)
    return sharded_trained, AuxiliaryEncoders(**frozen)


def refuse_whole_parameters(views: Collection[View[Any]]) -> None:
    """Refuse views that read whole parameters, of which a process has a part.

    Args:
        views: The views that the objectives declare.

    Raises:
        UsageError: If a view is not made of the batch's pairs.
    """
    labels = sorted({view.label for view in views if not view.of_pairs})
    if labels:
        raise UsageError(
            f"view {labels[0]} reads whole parameters, and {SETTING} divides them over the processes",
            f"use an objective without it (keep-close.kind = hidden), or set {SETTING} = false",
        )


def _layers(encoder: Encoder) -> Sequence[nn.Module]:
    """Return the encoder's layers; none if they cannot be identified."""
    try:
        return list(stack(encoder))
    except UsageError:
        return []
