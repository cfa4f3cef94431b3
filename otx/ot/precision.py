"""Precision of the transport computations, independent of the encoder's.

Half precision breaks the marginals even in the log domain. Single precision loses the plan where the cost's range is
hundreds of epsilons (an exponent of 300 is known to 3e-5). At sentence sizes double precision takes a CPU a few per
cent longer.
"""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the tensor in float32, or unchanged if it is float32 or float64.

    Args:
        tensor: Any shape and floating-point dtype.

    Returns:
        The same values; gradients flow back in the original dtype.

    Example:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def to_solver_dtype(tensor: Tensor) -> Tensor:
    """Return the tensor, detached, in the precision that the solvers iterate in.

    Args:
        tensor: Any shape and dtype.

    Returns:
        The values in float64, or in float32 on Apple's GPUs, which do not support float64.

    Example:
        >>> to_solver_dtype(torch.ones(2)).dtype
        torch.float64
    """
    return tensor.detach().to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def no_autocast(tensor: Tensor) -> torch.autocast:
    """Return a context manager that turns autocast off on the tensor's device.

    Args:
        tensor: A tensor on the device in question.

    Returns:
        The context manager.

    Example:
        >>> matrix = torch.ones(2, 2)
        >>> with torch.autocast("cpu", torch.bfloat16), no_autocast(matrix):
        ...     (matrix @ matrix).dtype
        torch.float32
    """
    return torch.autocast(tensor.device.type, enabled=False)
