"""Evaluation results on disk: one unit is (task, language, seed), with the score of every example.

A unit is ``eval/TASK/LANGUAGE.SEED.KEY.json``, where SEED is the head seed, "probe" or the name of a floor. Next to it
are ``.scores.jsonl.gz`` (example, cluster, sufficient statistics) and ``.predictions.jsonl.gz``. The unit's own file is
written last: if it exists, the others are complete.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otx.errors import DataError, PluginError
from otx.files import atomic
from otx.files.reading import parse_json, read_bytes, read_object
from otx.files.shapes import COUNT, check_shape
from otx.runs.folder import RunFolder
from otx.runs.shapes import UNIT_SHAPE
from otx.types import Score

SCHEMA = 1
"""Schema of the units that this otx writes."""
_KEY_SHOWN = 12
_NOT_IN_NAME = re.compile(r"[^\w.]+")


@dataclass(frozen=True, slots=True)
class EvalUnit:
    """The result of one task in one language with one seed.

    It records everything that the numbers depend on.

    Attributes:
        task: Name of the task.
        task_version: Version of the task.
        language: Language, or name of a test set.
        metrics: Metrics by name; shares are fractions.
        alignment_seed: Seed of the alignment; None for an untouched encoder.
        head_seed: Seed of the fitted head; None if nothing was fitted.
        key: Hash of everything that the numbers depend on.
        data_digest: Digest of the test data.
        model_digest: Digest of the encoder.
        training_digest: Digest of the training data; None for a probe.
        count: Number of examples.
        floor: Name of a baseline without an encoder, or None.
        options: The task's options, without paths.
        contamination: ``hits`` of the ``size`` test texts that occur in the run's bitext.
        seconds: Wall time.
        versions: Versions of packages.
        data: Path of the test data, for people to read.
        precision: Precision of the encoder ("float32", or that of autocast); None for a floor.
        encoder_options: Options of the encoder plugin.
        fit: Quality of the fine-tuning on development data (``otx.evaluation.fit_quality.FitQuality``); None if
            nothing was fitted.
        plugins: Kind, name, distribution and version of the task, the encoder and observers; empty in older files.
        written: UTC time, set by ``write_unit``.
        schema: Schema of the file.
    """

    task: str
    task_version: str
    language: str
    metrics: Mapping[str, float]
    alignment_seed: int | None
    head_seed: int | None
    key: str
    data_digest: str
    model_digest: str
    training_digest: str | None
    count: int
    floor: str | None
    options: Mapping[str, Any]
    contamination: Mapping[str, int]
    seconds: float
    versions: Mapping[str, str]
    data: str | None = None
    precision: str | None = None
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] | None = None
    plugins: Sequence[Mapping[str, str]] = field(default_factory=list)
    written: str = ""
    schema: int = SCHEMA


class Predictions:
    """A file of predictions that are written one by one.

    No prediction is kept in memory.

    Use it in a ``with`` statement. A file that was not passed to ``write_unit`` inside is removed at the end.

    Attributes:
        task: Name of the task.
        path: The temporary file.
    """

    def __init__(self, run: RunFolder, task: str) -> None:
        """Prepare the file.

        Args:
            run: The run that is evaluated.
            task: Name of the task.
        """
        self.task = task
        folder = run.results / task
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f".partial-{os.getpid()}-predictions.jsonl.gz"

    def __enter__(self) -> Predictions:
        """Open the file."""
        self._file = gzip.open(self.path, "wt", compresslevel=6, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, and remove it unless it was moved."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def add(self, example: str, prediction: Any) -> None:
        """Write one prediction.

        Args:
            example: Identifier of the example.
            prediction: A JSON value.

        Raises:
            PluginError: If the prediction is not a JSON value.
        """
        try:
            line = json.dumps({"example": example, "prediction": prediction}, ensure_ascii=False)
        except TypeError as error:
            raise PluginError(f"a prediction of task {self.task} is not JSON: {error}") from error
        self._file.write(line + "\n")

    def move(self, path: Path) -> None:
        """Close the file and move it to its final path.

        Args:
            path: The final path.
        """
        self._file.close()
        atomic.publish(self.path, path)


def write_unit(
    run: RunFolder, unit: EvalUnit, scores: Sequence[Score], predictions: Predictions | None = None
) -> Path:
    """Write a result: its scores, its predictions, and last the unit itself.

    Args:
        run: The run.
        unit: The result.
        scores: Scores of all examples.
        predictions: The predictions, if there are any.

    Returns:
        The unit's file.

    Raises:
        OTXError: If a file cannot be written.
    """
    path = _place(run, unit)
    atomic.write(_scores(path), _packed(map(_plain, scores)))
    if predictions is not None:
        predictions.move(path.with_suffix(".predictions.jsonl.gz"))
    record = {**asdict(unit), "written": datetime.now(UTC).isoformat()}
    atomic.write(path, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def find_unit(run: RunFolder, key: str) -> EvalUnit | None:
    """Return the result with a content key.

    Args:
        run: The run.
        key: The content key.

    Returns:
        The result, or None if it was not computed or its scores are missing.

    Raises:
        DataError: If the file cannot be read.
    """
    for path in _unit_files(run, f"*.{key[:_KEY_SHOWN]}.json"):
        unit = read_unit(path)
        if unit.key == key and _scores(path).exists():
            return unit
    return None


def read_units(run: RunFolder) -> list[EvalUnit]:
    """Return every result of a run, by file name.

    Args:
        run: The run.

    Raises:
        DataError: If a file cannot be read.
    """
    return [read_unit(path) for path in _unit_files(run, "*.json")]


def evaluated_tasks(run: RunFolder) -> set[str]:
    """Return the names of the tasks that a run has results of.

    Args:
        run: The run.
    """
    return {path.parent.name for path in _unit_files(run, "*.json")}


def read_scores(run: RunFolder, unit: EvalUnit) -> list[Score]:
    """Return the scores of a result's examples.

    Args:
        run: The run.
        unit: The result.

    Returns:
        The scores in the order in which they were written.

    Raises:
        DataError: If the scores are missing, damaged or incomplete.
    """
    path = _scores(_place(run, unit))
    remedy = f"remove {path.name} and evaluate {run.name} on {unit.task} again"
    try:
        lines = read_bytes(path).rstrip().replace(b"\n", b",")
        # Parsing all lines as one list takes half the time of parsing each.
        scores = [Score(**row) for row in parse_json(b"[" + lines + b"]", str(path))]
        if not all(map(_is_score, scores)):
            raise TypeError("a score has the wrong form")
    except DataError as error:
        raise DataError(f"the scores cannot be read: {error.message}", remedy) from error
    except TypeError as error:
        raise DataError(f"the scores in {path} cannot be read: {error}", remedy) from error
    if len(scores) != unit.count:
        raise DataError(f"{path} has {len(scores)} scores, not {unit.count}", remedy)
    return scores


def _is_score(score: Score) -> bool:
    statistics = score.statistics
    return (
        isinstance(score.example, str)
        and isinstance(score.cluster, str)
        and isinstance(statistics, dict)
        and all(type(value) in (float, int) for value in statistics.values())
    )


def _unit_files(run: RunFolder, pattern: str) -> list[Path]:
    # A killed process leaves an unfinished file whose name begins with ".".
    files = run.results.glob(f"*/{pattern}")
    return sorted(path for path in files if not path.name.startswith("."))


def _plain(score: Score) -> dict[str, Any]:
    statistics = {name: float(value) for name, value in score.statistics.items()}
    return {"example": score.example, "cluster": score.cluster, "statistics": statistics}


def _place(run: RunFolder, unit: EvalUnit) -> Path:
    seed = "probe" if unit.head_seed is None else str(unit.head_seed)
    parts = (unit.language, unit.floor or seed, unit.key[:_KEY_SHOWN])
    name = ".".join(_NOT_IN_NAME.sub("-", part) for part in parts)
    return run.results / unit.task / f"{name}.json"


def _scores(path: Path) -> Path:
    return path.with_suffix(".scores.jsonl.gz")


def _packed(rows: Iterable[Mapping[str, Any]]) -> bytes:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress(lines.encode(), compresslevel=6, mtime=0)


def read_unit(path: Path) -> EvalUnit:
    """Read the file of a result.

    Args:
        path: The unit's file.

    Returns:
        The result.

    Raises:
        DataError: If the file cannot be read, lacks a field, or has another schema.
    """
    again = "remove it and evaluate again"
    try:
        record = read_object(path)
        check_shape(record, {"schema": COUNT}, path.name)
        if record["schema"] == SCHEMA:
            check_shape(record, UNIT_SHAPE, path.name)
    except DataError as error:
        raise DataError(f"{path} is not a result: {error.message}", again) from error
    if record["schema"] != SCHEMA:
        raise DataError(
            f"{path} has schema {record['schema']}, and this otx reads {SCHEMA}",
            f"use the otx that wrote it, or {again}",
        )
    # Fields that were added to the format later have defaults.
    return EvalUnit(**{f.name: record[f.name] for f in fields(EvalUnit) if f.name in record})
