"""Calls of the solvers that a process with interpreted kernels runs: their results travel, their graphs do not."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch

from benchmarks.device_waits import counted
from benchmarks.solver_calls import count_launches, pooled_calls, sentence_calls
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.point_cloud import solve_points
from otx.ot.solvers.solve import solve


def solved(problem: Any, stopping: Any, weights: Any) -> dict[str, Any]:
    """Return the result of ``solve`` or ``solve_points`` and the gradients of its inputs for the values' weights."""
    names = ("cost", "a", "b") if hasattr(problem, "symmetric") and _is_given(problem) else None
    inputs = [getattr(problem, name) for name in names or ("x", "y", "a", "b")]
    for tensor in inputs:
        tensor.requires_grad_()
    result = (solve if names else solve_points)(problem, stopping)
    gradients = torch.autograd.grad((result.value * weights).sum(), inputs)
    return _flat(result) | {"gradients": gradients}


def diverged(x: Any, y: Any, a: Any, b: Any, **options: Any) -> dict[str, Any]:
    """Return the result of ``divergence`` and the gradients of its inputs."""
    inputs = [tensor.requires_grad_() for tensor in (x, y, a, b)]
    result = divergence(*inputs, **options)
    gradients = torch.autograd.grad(result.value.sum(), inputs)
    parts = {name: _flat(getattr(result, name)) for name in ("cross", "left", "right")}
    return {"value": result.value.detach(), "gradients": gradients, **parts}


def count_calls(pooled: bool) -> dict[str, tuple[int, int, int]]:
    """Return operations, waits and left over problems of the benchmark's calls."""
    calls = pooled_calls(150, "cpu") if pooled else sentence_calls(2, 7, "cpu")
    counts = {}
    for name, call in calls.items():
        if not name.startswith("POT"):
            with count_launches(), counted() as mode:
                left_over = call()
            counts[name] = (mode.operations, mode.waits.total(), left_over)
    return counts


def _is_given(problem: Any) -> bool:
    return isinstance(getattr(problem, "cost", None), torch.Tensor)


def _flat(result: Any) -> dict[str, Any]:
    known = {
        field.name: getattr(result, field.name)
        for field in fields(result)
        if field.name != "entries"
    }
    return known | {"value": result.value.detach(), "plan": result.plan}
