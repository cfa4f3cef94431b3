"""Evaluation results on disk: one unit is (task, language, seed), with the score of every example.

``eval/<task>/<language>.<head seed | probe | floor>.<key>.json`` beside ``.scores.jsonl.gz``
(example, cluster, sufficient statistics) and ``.predictions.jsonl.gz``. The unit's own file is
written last: where it stands, all stands.
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
_KEY_SHOWN = 12
_NOT_IN_NAME = re.compile(r"[^\w.]+")


@dataclass(frozen=True, slots=True)
class EvalUnit:
    """One task in one language with one seed: the numbers, and all that they depend on.

    ``metrics``: fractions by name. ``key``: hash of everything that the numbers depend on.
    ``training_digest``: None for a probe. ``floor``: name of a baseline without an encoder, or
    None. ``options``: the task's, without places. ``precision``: what the encoder ran in
    ("float32", or what autocast made of it), None for a floor. ``encoder_options``: the encoder
    plugin's. ``contamination``: ``hits`` of the ``size`` tested texts that occur in the run's
    bitext. ``seconds``: wall time. ``data``: where the tested data lay, for people. ``fit``: what
    development data said of a fine-tuning (``otx.evaluation.fit_quality.FitQuality``), None where nothing was fitted.
    ``plugins``: kind, name, distribution and version of the task, the encoder and observers; none in older files.
    ``written``: UTC time, set by ``write_unit``.
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
    """Predictions on their way to disk, one by one, as they are made: none is kept in memory.

    Used in a ``with``; what was not given to ``write_unit`` within is removed after it.
    """

    def __init__(self, run: RunFolder, task: str) -> None:
        self.task = task
        folder = run.results / task
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f".partial-{os.getpid()}-predictions.jsonl.gz"

    def __enter__(self) -> Predictions:
        self._file = gzip.open(self.path, "wt", compresslevel=6, encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def add(self, example: str, prediction: Any) -> None:
        """Write one. Raises PluginError if it is not JSON."""
        try:
            line = json.dumps({"example": example, "prediction": prediction}, ensure_ascii=False)
        except TypeError as error:
            raise PluginError(f"a prediction of task {self.task} is not JSON: {error}") from error
        self._file.write(line + "\n")

    def move(self, path: Path) -> None:
        """Close the file and put it where it belongs."""
        self._file.close()
        self.path.replace(path)


def write_unit(
    run: RunFolder, unit: EvalUnit, scores: Sequence[Score], predictions: Predictions | None = None
) -> Path:
    """Write scores, put the predictions beside them, then write the unit; returns the unit's file."""
    path = _place(run, unit)
    atomic.write(_scores(path), _packed(map(_plain, scores)))
    if predictions is not None:
        predictions.move(path.with_suffix(".predictions.jsonl.gz"))
    record = {**asdict(unit), "written": datetime.now(UTC).isoformat()}
    atomic.write(path, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def find_unit(run: RunFolder, key: str) -> EvalUnit | None:
    """The unit with this content key, or None if it was not computed (or lost its scores)."""
    for path in _unit_files(run, f"*.{key[:_KEY_SHOWN]}.json"):
        unit = read_unit(path)
        if unit.key == key and _scores(path).exists():
            return unit
    return None


def read_units(run: RunFolder) -> list[EvalUnit]:
    """Every unit of the run, by file name. Raises DataError for one that cannot be read."""
    return [read_unit(path) for path in _unit_files(run, "*.json")]


def evaluated_tasks(run: RunFolder) -> set[str]:
    """Names of the tasks that the run has results of."""
    return {path.parent.name for path in _unit_files(run, "*.json")}


def read_scores(run: RunFolder, unit: EvalUnit) -> list[Score]:
    """The scores of a unit's examples; DataError if they are missing, damaged or incomplete."""
    path = _scores(_place(run, unit))
    remedy = f"remove {path.name} and evaluate {run.name} on {unit.task} again"
    try:
        lines = read_bytes(path).rstrip().replace(b"\n", b",")
        # One parse of all lines as a list takes half the time of one for each.
        scores = [Score(**row) for row in parse_json(b"[" + lines + b"]", str(path))]
        if not all(map(_is_score, scores)):
            raise TypeError("a score of another form")
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
    # A file that begins with "." is one that a killed process was still writing.
    found = run.results.glob(f"*/{pattern}")
    return sorted(path for path in found if not path.name.startswith("."))


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
    """Read a unit.

    Raises:
        DataError: If the file cannot be read, lacks a field, or is of another schema.
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
    # What came into the format later has a default.
    return EvalUnit(**{f.name: record[f.name] for f in fields(EvalUnit) if f.name in record})
