"""Development data in fine-tuning: checks over the course of it, the weights of the best one, when to stop."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from otx.errors import DataError
from otx.files import atomic
from otx.files.reading import read_object
from otx.files.shapes import NUMBER, check_shape
from otx.printable import quote
from otx.training import checkpoint

HISTORY, BEST = "development.json", "best"


class Development:
    """The checks of one fine-tuning, kept in its folder, so that a resumed one knows what was found before.

    ``checks`` lie evenly over the ``steps``, the last at the end. ``score``: the metric on development data, of the
    weights as they are; ``higher``: whether more of it is better. ``patience``: checks in a row without a better score
    after which it is enough, 0 = never. ``size``: number of development examples. An undefined score is worse than
    any other.
    """

    def __init__(
        self,
        folder: Path,
        modules: Mapping[str, nn.Module],
        steps: int,
        checks: int,
        patience: int,
        score: Callable[[], float],
        higher: bool,
        size: int = 0,
    ) -> None:
        self.folder, self.modules, self.score = folder, modules, score
        self.patience, self.higher, self.size = patience, higher, size
        self.steps = {max(1, round(steps * place / checks)) for place in range(1, checks + 1)}
        self.history: dict[int, float] = self._read()

    def step_finished(self, step: int) -> float | None:
        """Check the weights after ``step`` if it is one of those; returns what was found."""
        # A step that is made again after a kill ends in the same weights: its check is known.
        if step not in self.steps or step in self.history:
            return None
        value = self.score()
        for module in self.modules.values():
            module.train()
        if not self.history or self._worth(value) > self._worth(self.history[self.best]):
            new = checkpoint.save(self.folder / BEST, step, self.modules)
            for other in set(checkpoint.checkpoints(self.folder / BEST)) - {new}:
                shutil.rmtree(other)
        self.history[step] = value
        atomic.write(self.folder / HISTORY, json.dumps(self.history).encode())
        return value

    @property
    def best(self) -> int:
        """The step of the best check, the earliest of equals."""
        return max(sorted(self.history), key=lambda step: self._worth(self.history[step]))

    def enough(self) -> bool:
        """Whether the last ``patience`` checks were no better than one before."""
        return 0 < self.patience <= sum(step > self.best for step in self.history)

    def restore(self) -> None:
        """Put the weights of the best check back. Raises DataError if they cannot be read."""
        found, damaged = checkpoint.newest(self.folder / BEST)
        if found is None:
            reason = damaged[0].message if damaged else f"{self.folder / BEST} is gone"
            raise DataError(reason, f"remove {self.folder} and evaluate again")
        checkpoint.load(found, self.modules, None)

    def _worth(self, value: float) -> float:
        if math.isnan(value):
            return -math.inf
        return value if self.higher else -value

    def _read(self) -> dict[int, float]:
        path = self.folder / HISTORY
        if not path.exists():
            return {}
        remedy = f"remove {self.folder} and evaluate again"
        history = read_object(path)
        check_shape(history, {str: NUMBER}, str(path), remedy)
        known = {str(step): step for step in self.steps}
        for step in history:
            if step not in known:
                raise DataError(f"{path}: no check is at step {quote(step)}", remedy)
        return {known[step]: value for step, value in history.items()}
