"""The training loop: the one place where parameters change, for alignments and for task heads.

The data and random numbers of a step are pure functions of (seed, step), and a checkpoint holds everything else. So a
run that is resumed at any step ends, on a CPU, in the same weights as an uninterrupted one, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from otx.config.objective_term import GRADIENT
from otx.errors import ProblemError, TrainingError
from otx.files.shapes import COUNT, NUMBER
from otx.training import checkpoint
from otx.training.runtime import seed_step
from otx.types import Loss

DEAD_MASS = 1e-3
"""Share of the expected transport mass below which training stops."""
CONVERGED_WARN, CONVERGED_FAIL = 0.95, 0.5
"""Mean shares of converged transport problems below which the loop warns, and below which it stops."""
HEALTH_WINDOW = 10
"""Number of steps over which the share of converged problems is averaged."""
FLAT_STEPS = 3
"""Number of steps in a row with a gradient of exactly zero after which training stops."""
BETAS = (0.9, 0.999)
"""AdamW's decay rates of the first and second moment."""
NORM_PART = 1 << 16
"""Number of gradient entries that are squared together on the CPU: 512 KB in float64, which fits a core's cache."""


class Trainable(Protocol):
    """A training task: modules, the micro-batches of a step, and the loss of one of them.

    Attributes:
        modules: Modules whose parameters are trained and saved, by name.
    """

    modules: Mapping[str, nn.Module]

    def begin(self, step: int, steps: int) -> None:
        """Prepare optimiser step ``step`` (from 0) of ``steps``: weights that change over the run, moving averages.

        Args:
            step: The step, from 0.
            steps: Number of all steps.
        """
        ...

    def micro_batches(self, step: int) -> Sequence[Any]:
        """Return the micro-batches whose losses are averaged in a step; a pure function of ``step``.

        Args:
            step: The step, from 0.
        """
        ...

    def loss(self, batch: Any) -> Loss:
        """Return the loss of one micro-batch.

        Args:
            batch: One of the step's micro-batches.
        """
        ...

    def gradients(self) -> Mapping[str, float]:
        """Return the norm of the gradient that each part of the loss sent back in this step, by name."""
        ...

    def describe(self, batch: Any) -> str:
        """Return which pairs or examples the batch holds, for error messages.

        Args:
            batch: A micro-batch.
        """
        ...

    def size(self, batch: Any) -> tuple[int, int]:
        """Return the number of pairs or examples, and of real sub-words, in the batch.

        Args:
            batch: A micro-batch.
        """
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FitHooks:
    """Functions that the loop calls.

    Attributes:
        started: Receives the number of steps that are done, and of all steps.
        step_finished: Receives the numbers of a step: its row of metrics.jsonl.
        checkpoint_saved: Receives the folder of a checkpoint.
        notice: Receives a warning.
        stop_requested: Returns True if the loop must save and stop after this step.
    """

    started: Callable[[int, int], None]
    step_finished: Callable[[dict[str, float]], None]
    checkpoint_saved: Callable[[Path], None]
    notice: Callable[[str], None]
    stop_requested: Callable[[], bool]


def fit(job: Trainable, settings: FitSettings, folder: Path, hooks: FitHooks) -> int:
    """Train to the last step, from the newest valid checkpoint if there is one.

    Args:
        job: The training task.
        settings: Options of the optimisation.
        folder: Folder of the checkpoints.
        hooks: Functions that the loop calls.

    Returns:
        The number of steps done: fewer than ``settings.steps`` if a stop was requested; everything is saved then.

    Raises:
        TrainingError: Before the optimiser step, if the loss or gradient is not finite (naming step, term and pairs),
            a transport plan has lost its mass, or a solver no longer converges.
        CheckpointError: If the newest valid checkpoint belongs to another model.
        OTXError: If the disk is full.
    """
    optimizer = make_optimizer(job.modules, settings)
    health = Health(hooks.notice)
    start = _resume(job, optimizer, health, folder=folder, notice=hooks.notice)
    hooks.started(start, settings.steps)
    device = next(p for m in job.modules.values() for p in m.parameters()).device.type
    for step in range(start, settings.steps):
        began = time.perf_counter()
        seed_step(settings.seed, step)
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * schedule(step, settings)
        job.begin(step, settings.steps)
        row = _accumulate(job, step, device, settings.autocast)
        health.check(row, step)
        row["grad_norm"] = _clip(job, settings.clip, step, row)
        sent = job.gradients()
        row |= {f"{name}.{GRADIENT}": norm for name, norm in sent.items()}
        health.check_gradients({**sent, "the loss": row["grad_norm"]}, step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        row |= {"lr": optimizer.param_groups[0]["lr"], "seconds": time.perf_counter() - began}
        hooks.step_finished({"step": step + 1, **row})
        stop = hooks.stop_requested()
        if stop or (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            saved = checkpoint.save(
                folder, step + 1, job.modules, optimizer=optimizer, state=health.state()
            )
            checkpoint.prune(folder, settings.keep_checkpoints)
            hooks.checkpoint_saved(saved)
        if stop:
            return step + 1
    return settings.steps


def make_optimizer(modules: Mapping[str, nn.Module], settings: FitSettings) -> torch.optim.AdamW:
    """Return AdamW over every trained parameter, each once; vectors (biases, norms) are not decayed.

    Args:
        modules: Modules by name; they may share parameters.
        settings: Learning rate and weight decay.
    """
    trained = {id(p): p for m in modules.values() for p in m.parameters() if p.requires_grad}
    matrices = [p for p in trained.values() if p.ndim > 1]
    vectors = [p for p in trained.values() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=BETAS)


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


class Health:
    """Checks what solvers report: stops at a transport plan without mass, warns and stops if solvers do not converge.

    ``state`` and ``restore`` carry its memory over a resume, so that a resumed run stops where an uninterrupted one
    would.

    Args:
        notice: Receives a warning.
    """

    SHAPE: ClassVar[dict[str, Any]] = {
        "converged": {str: [NUMBER]},
        "warned": [str],
        "flat": {str: COUNT},
    }
    """Shape of the state, in the notation of ``otx.files.shapes``."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._recent: dict[str, deque[float]] = {}
        self._warned: set[str] = set()
        self._flat: dict[str, int] = {}

    def state(self) -> dict[str, Any]:
        """Return the memory as JSON values."""
        recent = {name: list(shares) for name, shares in self._recent.items()}
        return {"converged": recent, "warned": sorted(self._warned), "flat": dict(self._flat)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the memory that ``state`` returned.

        Args:
            state: The value that ``state`` returned.
        """
        self._recent = {
            name: deque(shares, maxlen=HEALTH_WINDOW) for name, shares in state["converged"].items()
        }
        self._warned, self._flat = set(state["warned"]), dict(state["flat"])

    def check_gradients(self, norms: Mapping[str, float], step: int) -> None:
        """Check that every part of the loss sends a gradient.

        Args:
            norms: Norm of the gradient of each part, by name.
            step: The optimiser step.

        Raises:
            TrainingError: If a norm was exactly zero for ``FLAT_STEPS`` steps in a row.
        """
        for name, norm in norms.items():
            self._flat[name] = self._flat.get(name, 0) + 1 if norm == 0.0 else 0
            if self._flat[name] == FLAT_STEPS:
                raise TrainingError(
                    f"{name}: the gradient was exactly zero for {FLAT_STEPS} steps (up to step {step})",
                    "it does not reach the encoder: check its scale (epsilon), layer and links",
                )

    def check(self, row: Mapping[str, float], step: int) -> None:
        """Check the numbers that solvers report.

        Args:
            row: The numbers of a step, by name.
            step: The optimiser step.

        Raises:
            TrainingError: If a transport plan has lost its mass, or too few problems converge.
        """
        for name, value in row.items():
            prefix, _, quantity = name.rpartition(".")
            if quantity == "mass":
                expected = row.get(f"{prefix}.expected_mass", 1.0)
                if not value > DEAD_MASS * expected:
                    raise TrainingError(
                        f"{prefix}: transport mass {value:.3g}, expected {expected:.3g} at step {step}",
                        "the cost is too large for epsilon: raise epsilon or use the cosine cost",
                    )
            elif quantity == "converged":
                self._convergence(prefix, value, step)

    def _convergence(self, prefix: str, share: float, step: int) -> None:
        recent = self._recent.setdefault(prefix, deque(maxlen=HEALTH_WINDOW))
        recent.append(share)
        mean = sum(recent) / len(recent)
        if len(recent) == HEALTH_WINDOW and mean < CONVERGED_FAIL:
            raise TrainingError(
                f"{prefix}: only {mean:.0%} of the transport problems converged in the last "
                f"{HEALTH_WINDOW} steps (step {step})",
                f"raise {prefix}.epsilon or {prefix}.max_iterations",
            )
        if mean < CONVERGED_WARN and prefix not in self._warned:
            self._warned.add(prefix)
            self._notice(f"{prefix}: {mean:.0%} of the transport problems converged at step {step}")


def _resume(
    job: Trainable,
    optimizer: torch.optim.Optimizer,
    health: Health,
    *,
    folder: Path,
    notice: Callable[[str], None],
) -> int:
    """Load the newest valid checkpoint, and return its step; 0 if there is none."""
    newest, damaged = checkpoint.newest(folder, Health.SHAPE)
    start = 0 if newest is None else newest.step
    if newest is not None:
        checkpoint.load(newest, job.modules, optimizer)
        health.restore(newest.state)
    for error in damaged:
        notice(f"{error.message}; resuming from step {start}")
    # Only now: if the earlier one cannot be loaded, nothing is renamed.
    checkpoint.set_aside(folder, start)
    return start


def _accumulate(
    job: Trainable, step: int, device: str, autocast: torch.dtype | None
) -> dict[str, float]:
    """Pass backward through the micro-batches of a step, their losses averaged, and return the step's numbers."""
    batches = job.micro_batches(step)
    sums: dict[str, list[float]] = {}
    pairs = tokens = 0
    for batch in batches:
        with torch.autocast(device, autocast, enabled=autocast is not None):
            loss = _loss(job, batch, step)
        numbers = {"loss": loss.value, **loss.terms, **loss.health}
        scalars = {name: float(value.detach()) for name, value in numbers.items()}
        _refuse_nonfinite(scalars, job.describe(batch), step)
        (loss.value / len(batches)).backward()  # type: ignore[no-untyped-call]
        for name, value in scalars.items():
            sums.setdefault(name, []).append(value)
        count, real = job.size(batch)
        pairs, tokens = pairs + count, tokens + real
    means = {name: sum(values) / len(values) for name, values in sums.items()}
    return {**means, "pairs": pairs, "tokens": tokens}


def _loss(job: Trainable, batch: Any, step: int) -> Loss:
    try:
        return job.loss(batch)
    except ProblemError as error:
        raise TrainingError(
            f"{error.message} at step {step} in {job.describe(batch)}",
            f"the weights are untouched by this step; {error.remedy or 'look at these pairs'}",
        ) from error


def _refuse_nonfinite(scalars: Mapping[str, float], batch: str, step: int) -> None:
    bad = [f"{name} = {value}" for name, value in scalars.items() if not math.isfinite(value)]
    if bad:
        raise TrainingError(
            f"non-finite {', '.join(bad)} at step {step} in {batch}",
            "the weights are untouched by this step; lower the learning rate or look at these pairs",
        )


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the L2 norm of all entries, summed in float64 and rounded to float32 at the end.

    In float32 the last bit would depend on how many rows without a gradient a table has. In float64 a difference is too
    small to survive the rounding, except in one case in millions.

    Args:
        gradients: Tensors of any shapes on one device; the norm of none is 0.

    Returns:
        The norm ``[]``.

    Example:
        >>> gradient_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        tensor(5.)
    """
    if not gradients:
        return torch.zeros(())
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
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms)).float()
    return norm


def _clip(job: Trainable, limit: float, step: int, row: Mapping[str, float]) -> float:
    parameters = [p for m in job.modules.values() for p in m.parameters() if p.grad is not None]
    norm = gradient_norm([p.grad for p in parameters if p.grad is not None])
    nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    value = float(norm)
    if not math.isfinite(value):
        described = " and ".join(job.describe(batch) for batch in job.micro_batches(step))
        raise TrainingError(
            f"non-finite gradient (norm {value}) at step {step} in {described}; loss {row['loss']:.6g}",
            "the weights are untouched by this step; lower the learning rate or look at these pairs",
        )
    return value
