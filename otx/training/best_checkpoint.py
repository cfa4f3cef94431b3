"""The best weights of a training, selected by one metric on held-out data."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from otx.files.shapes import NUMBER
from otx.training import checkpoint
from otx.training.checkpoint import Checkpoint


class BestCheckpoint:
    """Keep the best weights seen so far in a folder, and put them back.

    The folder holds one checkpoint without optimiser state; its saved numbers include ``value``, the metric. Because
    the value is on disk, a resumed training compares with what was kept before it was interrupted.

    Args:
        folder: Folder of the kept checkpoint; created when the first weights are kept.
        modules: Modules whose weights are kept, by name.
        higher_is_better: Direction of the metric. An undefined value (NaN) is worse than any other.

    Example:
        >>> import tempfile
        >>> layer = nn.Linear(1, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     best = BestCheckpoint(Path(folder), {"layer": layer})
        ...     kept = [best.offer(step, value) for step, value in ((1, 0.5), (2, 0.7), (3, 0.7))]
        ...     restored = best.restore()
        >>> kept, restored.step
        ([True, True, False], 2)
    """

    def __init__(
        self, folder: Path, modules: Mapping[str, nn.Module], *, higher_is_better: bool = True
    ) -> None:
        self.folder, self.modules, self.higher_is_better = folder, modules, higher_is_better

    def is_better(self, value: float, other: float) -> bool:
        """Compare two values of the metric.

        Args:
            value: The value in question; may be NaN.
            other: The value to beat; may be NaN.

        Returns:
            True if ``value`` is strictly better.
        """
        return self._rank(value) > self._rank(other)

    def offer(self, step: int, value: float, state: Mapping[str, Any] | None = None) -> bool:
        """Keep the modules' current weights if they are the best so far.

        Of equal values the earliest is kept.

        Args:
            step: Optimiser step of the weights, for the folder's name.
            value: Their value of the metric.
            state: Further numbers and texts to save, as JSON can hold them.

        Returns:
            True if the weights were kept; the checkpoint kept before is then removed.

        Raises:
            CheckpointError: If the checkpoint kept before is damaged: worse weights must not replace it.
            OTXError: If the disk is full.
        """
        kept = self.read()
        if kept is not None and not self.is_better(value, kept.state["value"]):
            return False
        saved = {**(state or {}), "value": value}
        path = checkpoint.save(self.folder, step, self.modules, state=saved)
        for other in checkpoint.checkpoints(self.folder):
            if other != path:
                shutil.rmtree(other)
        return True

    def read(self) -> Checkpoint | None:
        """Return the kept checkpoint, or None if no weights were kept.

        Raises:
            CheckpointError: If it is damaged.
        """
        kept, damaged = checkpoint.newest(self.folder, {"value": NUMBER})
        for error in damaged:
            raise error
        return kept

    def restore(self) -> Checkpoint | None:
        """Load the kept weights into the modules.

        Returns:
            The checkpoint that was loaded, or None if no weights were kept.

        Raises:
            CheckpointError: If it is damaged, or the modules have other parameters.
        """
        kept = self.read()
        if kept is not None:
            checkpoint.load(kept, self.modules, None)
        return kept

    def _rank(self, value: float) -> float:
        if math.isnan(value):
            return -math.inf
        return value if self.higher_is_better else -value
