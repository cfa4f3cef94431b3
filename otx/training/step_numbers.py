"""The numbers of training steps, which stay on the device until several steps are read together.

Reading one number makes the host wait for all that the device has in its queue. So a step leaves its numbers where
they are, with a flag that is set by the first number that is not finite and never cleared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from otx.config.objective_term import GRADIENT
from otx.errors import TrainingError

_REMEDY = "the weights are untouched by this step; lower the learning rate or look at these pairs"


@dataclass(frozen=True, slots=True)
class StepReading:
    """One step, as read from the device.

    Attributes:
        step: The step, from 0.
        row: Its numbers by name: means over micro-batches, sums of pairs and tokens, and the gradient's norm.
        sent: Norm of the gradient of each part of the loss, by name; empty where it was not measured.
        fault: The error to raise if a number of this step was not finite.
    """

    step: int
    row: dict[str, float]
    sent: dict[str, float]
    fault: TrainingError | None


@dataclass(slots=True)
class _Step:
    """The names and places of one step's numbers."""

    step: int
    batches: list[tuple[Any, list[str]]] = field(default_factory=list)
    parts: list[Tensor] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    pairs: int = 0
    tokens: int = 0


class StepNumbers:
    """Collects the numbers of steps on a device, and reads those of several steps at once.

    Args:
        device: The device.
        describe: Returns which pairs a micro-batch holds, for error messages.

    Attributes:
        spoilt: 1 ``[]`` on the device from the first step with a number that is not finite; 0 before.
    """

    def __init__(self, device: torch.device, describe: Callable[[Any], str]) -> None:
        self._device, self._describe = device, describe
        self.spoilt = torch.zeros((), device=device)
        self._steps: list[_Step] = []
        self._vectors: list[Tensor] = []

    def __len__(self) -> int:
        """Return the number of steps that were not read yet."""
        return len(self._vectors)

    def begin(self, step: int) -> None:
        """Begin a step; one that was begun and never finished is forgotten.

        Args:
            step: The step, from 0.
        """
        del self._steps[len(self._vectors) :]
        self._steps.append(_Step(step))

    def add(self, batch: Any, numbers: Mapping[str, Tensor], *, pairs: int, tokens: int) -> None:
        """Add the numbers of a micro-batch to the step.

        Args:
            batch: The micro-batch, for error messages.
            numbers: Scalars ``[]`` by name.
            pairs: Number of pairs or examples.
            tokens: Number of real sub-words.
        """
        step = self._steps[-1]
        step.batches.append((batch, list(numbers)))
        scalars = [value.detach().to(self._device) for value in numbers.values()]
        step.parts.append(torch.stack(scalars))
        step.pairs, step.tokens = step.pairs + pairs, step.tokens + tokens

    def finish(self, norm: Tensor, sent: Mapping[str, Tensor]) -> None:
        """Finish the step, and set ``spoilt`` if one of its numbers is not finite.

        Args:
            norm: Norm of the gradient ``[]``.
            sent: Norm of the gradient of each part of the loss ``[]``, by name.
        """
        step = self._steps[-1]
        step.sent = list(sent)
        checked = torch.cat([*step.parts, norm.reshape(1)])
        step.parts.clear()
        self.spoilt = torch.maximum(self.spoilt, (~checked.isfinite().all()).to(self.spoilt))
        self._vectors.append(
            torch.cat([checked, torch.stack([*sent.values()])]) if sent else checked
        )

    def read(self) -> list[StepReading]:
        """Return the finished steps since the last call; the host waits for the device once.

        Returns:
            The steps in their order, up to the first with a number that is not finite.
        """
        if not self._vectors:
            return []
        numbers = iter(torch.cat(self._vectors).tolist())
        readings: list[StepReading] = []
        for step in self._steps[: len(self._vectors)]:
            readings.append(self._reading(step, numbers))
            if readings[-1].fault is not None:
                break
        self._steps.clear()
        self._vectors.clear()
        return readings

    def _reading(self, step: _Step, numbers: Any) -> StepReading:
        values: dict[str, list[float]] = {}
        fault = None
        for batch, names in step.batches:
            scalars = {name: next(numbers) for name in names}
            bad = [
                f"{name} = {value}" for name, value in scalars.items() if not math.isfinite(value)
            ]
            if bad and fault is None:
                place = f"at step {step.step} in {self._describe(batch)}"
                fault = TrainingError(f"non-finite {', '.join(bad)} {place}", _REMEDY)
            for name, value in scalars.items():
                values.setdefault(name, []).append(value)
        row: dict[str, float] = {name: sum(some) / len(some) for name, some in values.items()}
        row |= {"pairs": step.pairs, "tokens": step.tokens, "grad_norm": next(numbers)}
        sent = {name: next(numbers) for name in step.sent}
        if fault is None and not math.isfinite(row["grad_norm"]):
            place = " and ".join(self._describe(batch) for batch, _ in step.batches)
            fault = TrainingError(
                f"non-finite gradient (norm {row['grad_norm']}) at step {step.step} in {place}; "
                f"loss {row['loss']:.6g}",
                _REMEDY,
            )
        row |= {f"{name}.{GRADIENT}": norm for name, norm in sent.items()}
        return StepReading(step.step, row, sent, fault)
