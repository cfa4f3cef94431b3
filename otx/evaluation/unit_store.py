"""Find, claim and write the evaluation units of one run, which several processes may evaluate at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from otx.files.digests import content_key
from otx.runs.folder import RunFolder
from otx.runs.results import EvalUnit, Predictions, find_unit, read_unit, write_unit
from otx.types import Score

CLAIM_LETTERS = 16


class UnitStore:
    """The units of one run.

    Work that gives several units at once (a fine-tuned head in every language) is claimed before it starts, so that no
    two processes do it.

    Args:
        run: The run.
        announce: Called with each unit that is written.

    Attributes:
        run: The run.
        held_elsewhere: Claims that other processes hold, with their pid; their units are missing.
    """

    def __init__(self, run: RunFolder, announce: Callable[[EvalUnit], None]) -> None:
        self.run = run
        self.held_elsewhere: dict[str, str] = {}
        self._announce = announce

    def find(self, key: str) -> EvalUnit | None:
        """Return the unit with a content key; None if it was not computed yet.

        Args:
            key: The content key.
        """
        return find_unit(self.run, key)

    def find_all(self, keys: Sequence[str]) -> list[EvalUnit] | None:
        """Return the units with these content keys; None if one was not computed yet.

        Args:
            keys: The content keys.
        """
        units = [unit for unit in map(self.find, keys) if unit is not None]
        return units if len(units) == len(keys) else None

    def obtain(self, keys: Sequence[str], compute: Callable[[], list[EvalUnit]]) -> list[EvalUnit]:
        """Return units that are known, or compute them.

        Args:
            keys: Content keys of the units that are computed together.
            compute: Computes and writes them.

        Returns:
            The units; empty if another process is computing them, which ``held_elsewhere`` then names.
        """
        known = self.find_all(keys)
        if known is not None or not keys:
            return known or []
        work = content_key(keys=list(keys))[:CLAIM_LETTERS]
        with self.run.claim(work) as holder:
            if holder is not None:
                self.held_elsewhere[work] = holder
                return []
            # Another process may have finished between the search and the claim.
            return self.find_all(keys) or compute()

    def predictions(self, task: str) -> Predictions:
        """Open a file for the predictions of a unit that is being computed.

        Args:
            task: Name of the task.
        """
        return Predictions(self.run, task)

    def write(
        self, unit: EvalUnit, scores: Sequence[Score], predictions: Predictions | None
    ) -> EvalUnit:
        """Write a unit and announce it.

        Args:
            unit: The unit.
            scores: The score of every example.
            predictions: The predictions; None for a baseline without an encoder.

        Returns:
            The unit as it was written.
        """
        written = read_unit(write_unit(self.run, unit, scores, predictions))
        self._announce(written)
        return written

    def scratch_folder(self, task: str, name: str) -> Path:
        """Return the folder of unfinished work, in the results of a task.

        Args:
            task: Name of the task.
            name: Name of the folder.
        """
        return self.run.results / task / name
