"""Fine-tuned models that are kept with a run: plain Hugging Face folders, with what they were made of."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files.reading import read_object
from otx.files.shapes import ANY, COUNT, NUMBER, check_shape
from otx.interfaces import Encoder
from otx.runs.folder import RunFolder

RECORD = "fitted.json"
SHAPE = {
    "key": str,
    "task": str,
    "version": str,
    "options": {str: ANY},
    "head_seed": COUNT,
    "development": {str: NUMBER},
    "step": COUNT,
    "size?": COUNT,
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a kept model was made of. ``development``: the first metric by step; ``step``: the one that was kept.

    ``key``: a hash of all that the model depends on. ``size``: number of development examples, 0 in older records.
    """

    key: str
    task: str
    version: str
    options: Mapping[str, Any]
    head_seed: int
    development: Mapping[str, float]
    step: int
    size: int = 0


def keep(run: RunFolder, fitted: Fitted, encoder: Encoder) -> Path:
    """Write the encoder with its head into ``heads/TASK-SEED`` of the run, whole or not at all."""
    folder = run.heads / f"{fitted.task}-{fitted.head_seed}"
    partial = folder.with_name(f".partial-{os.getpid()}-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    encoder.save(partial)
    (partial / RECORD).write_text(json.dumps(asdict(fitted), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def known(run: RunFolder, task: str, seed: int, key: str) -> Path | None:
    """The folder of the kept model that has this key, or None."""
    try:
        folder, found = find(run, task, seed)
    except DataError:
        return None
    return folder if found.key == key else None


def find(run: RunFolder, task: str, seed: int | None) -> tuple[Path, Fitted]:
    """The folder and the record of a kept model; without a seed, of the lowest there is.

    Raises DataError if it is not there, or not whole.
    """
    kept = re.compile(rf"{re.escape(task)}-([0-9]{{1,18}})")
    matches = (kept.fullmatch(path.name) for path in run.heads.glob(f"{task}-*"))
    seeds = sorted(int(match[1]) for match in matches if match)
    if not seeds or (seed is not None and seed not in seeds):
        there = f"there are seeds {', '.join(map(str, seeds))}; " if seeds else ""
        raise DataError(
            f"run {run.name} has no fine-tuned {task}"
            + ("" if seed is None else f" of seed {seed}"),
            f"{there}fit it with: otx eval {task} --run {run.name} "
            f"(where its results are known already, remove {run.results / task} first)",
        )
    folder = run.heads / f"{task}-{seeds[0] if seed is None else seed}"
    try:
        record = read_object(folder / RECORD)
        check_shape(record, SHAPE, RECORD)
    except DataError as error:
        raise DataError(
            f"{folder} is not a fine-tuned model: {error.message}",
            f"remove it, and {run.results / task}, and evaluate again",
        ) from error
    return folder, Fitted(**{f.name: record[f.name] for f in fields(Fitted) if f.name in record})
