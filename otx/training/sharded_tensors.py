"""Tensors of which each process of a run keeps a part, and all others, by the same functions.

A sharded tensor is a ``DTensor`` of PyTorch: its shape is that of the whole, divided in its first dimension.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Return whether a tensor is divided over processes.

    Args:
        tensor: A parameter, a gradient, or a part of the optimiser's state.
    """
    # By its attribute: importing DTensor takes a second, which runs of one process need not wait.
    return hasattr(tensor, "placements")


def own_part(tensor: Any) -> Tensor:
    """Return what this process keeps of a tensor, in the same memory; all of it if the tensor is not sharded.

    Args:
        tensor: Any tensor.
    """
    part: Tensor = tensor.to_local() if is_sharded(tensor) else tensor
    return part


def gathered(tensor: Any) -> Tensor:
    """Return a whole tensor; every process calls this for the same sharded tensors in the same order.

    Args:
        tensor: Any tensor.
    """
    whole: Tensor = tensor.full_tensor() if is_sharded(tensor) else tensor
    return whole


def divided_like(whole: Tensor, like: Any) -> Tensor:
    """Return a whole tensor as another one is kept: this process's part of it, without communication, or all of it.

    Args:
        whole: The tensor, the same in every process.
        like: A tensor of the same shape.
    """
    if not is_sharded(like):
        return whole
    from torch.distributed.tensor import DTensor

    mesh = like.device_mesh
    parts = torch.chunk(whole, mesh.size())
    rank = mesh.get_local_rank()
    # Of a short tensor, the last processes have nothing.
    own = parts[rank] if rank < len(parts) else whole[:0]
    return DTensor.from_local(
        own.to(like.device).contiguous(),
        mesh,
        like.placements,
        run_check=False,
        shape=whole.shape,
        stride=whole.stride(),
    )
