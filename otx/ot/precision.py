"""Precision in which transport is computed, whatever the encoder runs in.

Half precision breaks the marginals even in the log domain, and single precision loses the plan
where the cost's range is hundreds of epsilons (an exponent of 300 is known to 3e-5). At sentence
sizes double precision takes a CPU a few per cent longer.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """The same tensor in float32 or better (differentiable)."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def to_solver_dtype(tensor: Tensor) -> Tensor:
    """The same values, detached, in the precision that solvers iterate in.

    float64, or float32 on Apple's GPUs, which have no more.
    """
    return tensor.detach().to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def no_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which autocast is off on the tensor's device."""
    return torch.autocast(tensor.device.type, enabled=False)
