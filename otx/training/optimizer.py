"""The optimisation of a training: AdamW, its learning rate over the steps, and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from otx.training.processes import ALONE, Processes
from otx.training.sharded_tensors import is_sharded, own_part

BETAS = (0.9, 0.999)
"""AdamW's decay rates of the first and second moment."""
NORM_PART = 1 << 16
"""Number of gradient entries that are squared together on the CPU: 512 KB in float64, which fits a core's cache."""
FUSED_DEVICES = ("cpu", "cuda")
"""Devices on which AdamW is one fused operation, which a flag on the device can turn into one that changes nothing."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Options of the optimisation: AdamW, linear warm-up, linear decay to 0, and clipping.

    Attributes:
        steps: Number of optimiser steps.
        lr: Peak learning rate.
        seed: Seed of the random numbers of every step.
        warmup: Share of the steps over which the learning rate rises.
        weight_decay: Weight decay of matrices; vectors have none.
        clip: Maximum norm of the gradient.
        checkpoint_every: Number of steps between checkpoints.
        keep_checkpoints: Number of checkpoints that are kept.
        autocast: Type that the forward pass is autocast to; None for float32.
    """

    steps: int
    lr: float
    seed: int
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    checkpoint_every: int = 200
    keep_checkpoints: int = 2
    autocast: torch.dtype | None = None


def make_optimizer(modules: Mapping[str, nn.Module], settings: FitSettings) -> torch.optim.AdamW:
    """Return AdamW over every trained parameter, each once; vectors (biases, norms) are not decayed.

    Args:
        modules: Modules by name; they may share parameters.
        settings: Learning rate and weight decay.
    """
    trained = trained_parameters(modules)
    matrices = [p for p in trained if p.ndim > 1]
    vectors = [p for p in trained if p.ndim <= 1]
    # One operation takes sharded tensors or others; the order stays.
    groups = [
        {"params": list(alike), "weight_decay": decay}
        for parameters, decay in ((matrices, settings.weight_decay), (vectors, 0.0))
        for _, alike in groupby(parameters, is_sharded)
    ]
    fused = all(p.device.type in FUSED_DEVICES for p in trained)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=BETAS, fused=fused)


def trained_parameters(modules: Mapping[str, nn.Module]) -> list[nn.Parameter]:
    """Return every trained parameter, each once.

    Args:
        modules: Modules by name; they may share parameters.
    """
    trained = {id(p): p for m in modules.values() for p in m.parameters() if p.requires_grad}
    return list(trained.values())


def state_indices(optimizer: torch.optim.Optimizer) -> list[int]:
    """Return the numbers of the parameters that have had a gradient, and so a state.

    Args:
        optimizer: The optimiser.
    """
    return sorted(optimizer.state_dict()["state"])


def state_tensors(optimizer: torch.optim.Optimizer, trained: Sequence[int]) -> list[Tensor]:
    """Return AdamW's step and moments of some parameters, made where there are none, to be overwritten.

    Args:
        optimizer: The optimiser.
        trained: Numbers of the parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    tensors: list[Tensor] = []
    for number in trained:
        parameter = parameters[number]
        state = optimizer.state[parameter]
        if not state:
            # On the parameter's device, as fused AdamW keeps it.
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        tensors += [state[name] for name in ("step", "exp_avg", "exp_avg_sq")]
    return tensors


def schedule(step: int, settings: FitSettings) -> float:
    """Return the factor of the learning rate at a step: linear warm-up, then linear decay to 0 at the end.

    Args:
        step: Optimiser step, from 0.
        settings: Number of steps, and the share of them that warms up.

    Example:
        >>> [schedule(step, FitSettings(steps=4, lr=1.0, seed=1, warmup=0.5)) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warm = math.ceil(settings.warmup * settings.steps)
    if step < warm:
        return (step + 1) / warm
    return (settings.steps - step) / max(1, settings.steps - warm)


def gradient_norm(gradients: Sequence[Tensor], processes: Processes = ALONE) -> Tensor:
    """Return the L2 norm of all entries, summed in float64 and rounded to float32 at the end.

    In float32 the last bit would depend on how many rows without a gradient a table has. In float64 a difference is too
    small to survive the rounding, except in one case in millions.

    Args:
        gradients: Tensors of any shapes on one device; the norm of none is 0.
        processes: The processes over which some of them may be sharded.

    Returns:
        The norm ``[]``.

    Example:
        >>> gradient_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        tensor(5.)
    """
    norm = _norm([gradient for gradient in gradients if not is_sharded(gradient)])
    parts = [own_part(gradient) for gradient in gradients if is_sharded(gradient)]
    if parts:
        norm = (norm.square() + processes.sum(_norm(parts).square())).sqrt()
    return norm.float()


def _norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm in float64."""
    if not gradients:
        return torch.zeros((), dtype=torch.float64)
    # The CPU converts a whole tensor before it sums; in parts, it makes no second copy of a table.
    parts = [
        part
        for gradient in gradients
        for part in (
            torch.split(gradient.reshape(-1), NORM_PART)
            if gradient.device.type == "cpu"
            else [gradient]
        )
    ]
    norms = [torch.linalg.vector_norm(part, dtype=torch.float64) for part in parts]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm


def clip_gradients(
    modules: Mapping[str, nn.Module], limit: float, processes: Processes = ALONE
) -> Tensor:
    """Scale all gradients so that their norm is at most ``limit``; nothing waits for the device.

    Args:
        modules: Modules by name.
        limit: Largest norm.
        processes: The processes over which some of them may be sharded.

    Returns:
        The norm before ``[]``.
    """
    parameters = [p for m in modules.values() for p in m.parameters() if p.grad is not None]
    norm = gradient_norm([p.grad for p in parameters if p.grad is not None], processes)
    for _, alike in groupby(parameters, is_sharded):
        nn.utils.clip_grads_with_norm_(list(alike), limit, norm)
    return norm


def take_step(optimizer: torch.optim.AdamW, spoilt: Tensor) -> None:
    """Take an optimiser step that changes nothing if a number was not finite, and drop the gradients.

    Args:
        optimizer: What ``make_optimizer`` returned.
        spoilt: 1 ``[]`` on the parameters' device if this step or an earlier one was not finite, else 0.
    """
    if optimizer.defaults["fused"]:
        # The name under which PyTorch's fused optimisers read the flag of a gradient scaler.
        optimizer.found_inf = spoilt  # type: ignore[attr-defined]
        optimizer.step()
    elif not bool(spoilt):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
