"""Extract from a cell's run folder: scores, diagnostics, loss curves, and whether each fit left chance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otx.evaluation import finetuned_models
from otx.runs.folder import RunFolder
from otx.runs.results import read_units
from scripts.laboratory.records import pack_units, thin

CURVE_POINTS = 200
"""Number of points kept of a loss curve."""
ALIGNING = "align"
"""The part of a cell that aligns; the other parts are its tasks."""


class Recorder:
    """A reporter that prints to the log and keeps the loss curves in a file.

    A resumed cell therefore has complete curves.

    Attributes:
        path: File of the loss curves.
        part: The task that is evaluated, or ``ALIGNING``.
        notices: All notices.
    """

    def __init__(self, path: Path) -> None:
        """Create the recorder.

        Args:
            path: File of the loss curves; it need not exist.
        """
        self.path = path
        self.part = ALIGNING
        self.notices: list[str] = []

    def stage(self, text: str) -> None:
        """Print the stage.

        Args:
            text: Description of the stage.
        """
        print(text, flush=True)

    def progress(self, label: str, done: int, total: int, fields: Mapping[str, float]) -> None:
        """Keep the loss of a step; the metrics of an alignment are in its run folder.

        Args:
            label: Name of the work.
            done: Number of finished steps.
            total: Number of all steps.
            fields: Numbers of the step.
        """
        if self.part != ALIGNING and "loss" in fields:
            row = {"part": self.part, "step": done, "loss": fields["loss"]}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def notice(self, text: str) -> None:
        """Print a notice and keep it.

        Args:
            text: The notice.
        """
        self.notices.append(text)
        print(f"note: {text}", flush=True)

    def curve(self, part: str) -> list[list[float]]:
        """Return the (step, loss) points of one fit; a repeated step counts once.

        Args:
            part: Name of the task.
        """
        losses: dict[int, float] = {}
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1] if self.path.exists() else []
        for row in map(json.loads, lines):
            if row["part"] == part:
                losses[row["step"]] = round(row["loss"], 5)
        return thin([list(point) for point in sorted(losses.items())], CURVE_POINTS)


def describe_fit(
    run: RunFolder, task: str, seed: int, curve: list[list[float]]
) -> dict[str, Any] | None:
    """Return the curves of a fit and whether it ever left chance.

    The result is None if nothing was fitted.

    Args:
        run: The cell's run folder, which still holds the fitted model.
        task: Name of the otx task.
        seed: The head's seed.
        curve: (step, loss) points of the fit.
    """
    units = (unit for unit in read_units(run) if unit.task == task and unit.head_seed == seed)
    quality = next((unit.fit for unit in units if unit.fit is not None), None)
    if quality is None:
        return None
    _, model = finetuned_models.find(run, task, seed)
    return {"task": task, "curve": curve, "development": dict(model.development), **quality}


def harvest(
    run: RunFolder, recorder: Recorder, fits: Mapping[str, Any], hidden: Mapping[str, str]
) -> dict[str, Any]:
    """Return the parts of a run that are kept.

    Args:
        run: The run.
        recorder: The recorder of its curves and notices.
        fits: Descriptions of the fits by task.
        hidden: Replacement of each path of this machine.

    Returns:
        JSON values.
    """
    keys = ("step", "loss", "grad_norm", "lr")
    rows = [{key: row[key] for key in keys if key in row} for row in run.metrics()]
    kept: dict[str, Any] = replace_texts(
        {
            "run": run.record,
            "curve": thin(rows, CURVE_POINTS),
            "step_seconds": sum(row["seconds"] for row in run.metrics()),
            "fits": dict(fits),
            "notices": list(dict.fromkeys(recorder.notices)),
            "units": pack_units(run),
        },
        hidden,
    )
    return kept


def replace_texts(value: Any, texts: Mapping[str, str]) -> Any:
    """Return JSON values with every occurrence of the given texts replaced.

    Args:
        value: JSON values.
        texts: Replacement by text.

    Example:
        >>> replace_texts({"model": ["/tmp/x/model"]}, {"/tmp/x": "scratch"})
        {'model': ['scratch/model']}
    """
    if isinstance(value, Mapping):
        return {key: replace_texts(item, texts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_texts(item, texts) for item in value]
    if isinstance(value, str):
        for text, other in texts.items():
            value = value.replace(text, other)
    return value
