"""Checks on development data during a fine-tuning: scores, best weights, early stopping."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from otx.errors import CheckpointError, DataError
from otx.files import atomic
from otx.files.reading import read_object
from otx.files.shapes import NUMBER, check_shape
from otx.printable import quote
from otx.training.best_checkpoint import BestCheckpoint

HISTORY, BEST = "development.json", "best"


@dataclass(frozen=True, slots=True)
class CheckSchedule:
    """When a fine-tuning is checked on development data, and when it stops early.

    Attributes:
        steps: Number of optimiser steps of the fine-tuning.
        checks: Number of checks, evenly spaced over the steps; the last is at the end.
        patience: Number of checks in a row without a better score after which training stops; 0 never stops.
    """

    steps: int
    checks: int
    patience: int = 0

    def checked_steps(self) -> set[int]:
        """Return the steps after which the weights are checked.

        Example:
            >>> sorted(CheckSchedule(steps=10, checks=4).checked_steps())
            [2, 5, 8, 10]
        """
        return {max(1, round(self.steps * n / self.checks)) for n in range(1, self.checks + 1)}


class Development:
    """Score a model on development data while it is fine-tuned, and keep its best weights.

    The history is kept in the fine-tuning's folder, so a resumed fine-tuning knows earlier scores.

    Args:
        folder: Folder of the fine-tuning.
        modules: Modules that are trained, by name.
        schedule: When to check, and when to stop.
        metric: Name of the metric.
        score: Computes the metric of the current weights on the development data; NaN is worse than any other score.
        higher_is_better: Direction of the metric.
        size: Number of development examples.

    Attributes:
        history: Score of each check, by optimiser step.
        size: Number of development examples.

    Raises:
        DataError: If the folder holds a damaged history.
    """

    def __init__(
        self,
        folder: Path,
        modules: Mapping[str, nn.Module],
        schedule: CheckSchedule,
        score: Callable[[], float],
        *,
        metric: str,
        higher_is_better: bool,
        size: int = 0,
    ) -> None:
        self.folder, self.modules, self.schedule, self.size = folder, modules, schedule, size
        self._metric, self._score = metric, score
        self._best = BestCheckpoint(folder / BEST, modules, higher_is_better=higher_is_better)
        self._steps = schedule.checked_steps()
        self.history: dict[int, float] = self._read_history()

    def is_due(self, step: int) -> bool:
        """Return whether the weights are checked after this step.

        Args:
            step: Number of optimiser steps done.
        """
        # A step that is repeated after an interruption ends in the same weights.
        return step in self._steps and step not in self.history

    def look(self, step: int) -> dict[str, float]:
        """Check the current weights.

        Args:
            step: Number of optimiser steps done.

        Returns:
            The score, under the metric's name.
        """
        value = self._score()
        for module in self.modules.values():
            module.train()
        self._best.offer(step, value)
        self.history[step] = value
        atomic.write(self.folder / HISTORY, json.dumps(self.history).encode())
        return {self._metric: value}

    @property
    def best_step(self) -> int:
        """Step of the best check, the earliest of equals."""
        best, *others = sorted(self.history)
        for step in others:
            if self._best.is_better(self.history[step], self.history[best]):
                best = step
        return best

    def is_patience_exhausted(self) -> bool:
        """Return whether the last ``patience`` checks were no better than one before."""
        return 0 < self.schedule.patience <= sum(step > self.best_step for step in self.history)

    def restore(self) -> None:
        """Load the weights of the best check.

        Raises:
            DataError: If they cannot be read.
        """
        remedy = f"remove {self.folder} and evaluate again"
        try:
            restored = self._best.restore()
        except CheckpointError as error:
            raise DataError(error.message, remedy) from error
        if restored is None:
            raise DataError(f"{self._best.folder} is gone", remedy)

    def _read_history(self) -> dict[int, float]:
        path = self.folder / HISTORY
        if not path.exists():
            return {}
        remedy = f"remove {self.folder} and evaluate again"
        history = read_object(path)
        check_shape(history, {str: NUMBER}, str(path), remedy)
        known = {str(step): step for step in self._steps}
        for step in history:
            if step not in known:
                raise DataError(f"{path}: no check is at step {quote(step)}", remedy)
        return {known[step]: value for step, value in history.items()}
