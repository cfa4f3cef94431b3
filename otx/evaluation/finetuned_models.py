"""Fine-tuned models that are kept with a run: plain Hugging Face folders, each with a record of its training."""

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
from otx.files import atomic
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
class FinetunedModel:
    """The record of a kept model.

    Attributes:
        key: Hash of everything that the model depends on.
        task: Name of the task.
        version: Version of the task.
        options: Options of the task, without paths.
        head_seed: Seed of the head.
        development: Value of the first metric on development data, by step.
        step: Step whose weights were kept.
        size: Number of development examples; 0 in older records.
    """

    key: str
    task: str
    version: str
    options: Mapping[str, Any]
    head_seed: int
    development: Mapping[str, float]
    step: int
    size: int = 0


def keep(run: RunFolder, model: FinetunedModel, encoder: Encoder) -> Path:
    """Write an encoder with its head to ``heads/TASK-SEED``, whole or not at all.

    Args:
        run: The run.
        model: The record of the model.
        encoder: The fine-tuned encoder, with its head.

    Returns:
        The folder.
    """
    folder = run.heads / f"{model.task}-{model.head_seed}"
    partial = folder.with_name(f".partial-{os.getpid()}-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    encoder.save(partial)
    (partial / RECORD).write_text(json.dumps(asdict(model), indent=2) + "\n", encoding="utf-8")
    atomic.publish(partial, folder)
    return folder


def known(run: RunFolder, task: str, seed: int, key: str) -> Path | None:
    """Return the folder of the kept model with a key, or None.

    Args:
        run: The run.
        task: Name of the task.
        seed: Seed of the head.
        key: Hash of everything that the model depends on.
    """
    try:
        folder, record = find(run, task, seed)
    except DataError:
        return None
    return folder if record.key == key else None


def find(run: RunFolder, task: str, seed: int | None) -> tuple[Path, FinetunedModel]:
    """Find a kept model.

    Args:
        run: The run.
        task: Name of the task.
        seed: Seed of the head; None means the lowest.

    Returns:
        Its folder and its record.

    Raises:
        DataError: If there is no such model, or its record is damaged.
    """
    name = re.compile(rf"{re.escape(task)}-([0-9]{{1,18}})")
    matches = (name.fullmatch(path.name) for path in run.heads.glob(f"{task}-*"))
    seeds = sorted(int(match[1]) for match in matches if match)
    if not seeds or (seed is not None and seed not in seeds):
        available = f"available seeds: {', '.join(map(str, seeds))}; " if seeds else ""
        raise DataError(
            f"run {run.name} has no fine-tuned {task}"
            + ("" if seed is None else f" of seed {seed}"),
            f"{available}fine-tune it with: otx eval {task} --run {run.name} "
            f"(if its results are known already, remove {run.results / task} first)",
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
    known_fields = {f.name: record[f.name] for f in fields(FinetunedModel) if f.name in record}
    return folder, FinetunedModel(**known_fields)
