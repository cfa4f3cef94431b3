"""A run folder: the one place where a run's settings, metrics, weights and results lie.

``run.json`` (settings, seeds, digests, guards), ``metrics.jsonl`` (one row a step),
``problems.jsonl`` (refused lines), ``checkpoints/``, ``model/`` (a plain Hugging Face folder), ``heads/``
(fine-tuned ones) and ``eval/`` (see ``otx.runs.results``).
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otx.errors import DataError, OTXError, UsageError
from otx.files import atomic
from otx.suggest import remedy
from otx.types import Problem

SCHEMA = 1
RECORD, METRICS, PROBLEMS = "run.json", "metrics.jsonl", "problems.jsonl"
LOCK, CLAIMS = ".lock", ".claims"
UNTOUCHED = "untouched-"
_BAD_NAME = re.compile(r"^[.\-]|[/\\\x00-\x1f]|^$")
_NOT_IN_STEM = re.compile(r"[^\w.]+")


class RunFolder:
    """One run on disk. ``record`` is what run.json says; change it with ``update`` only.

    ``kind`` is "align" or "untouched" (an encoder without alignment, whose results lie here);
    ``status`` is "created", "running", "finished", "failed" or "interrupted".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: dict[str, Any] = _read_record(path)

    @classmethod
    def create(
        cls,
        root: Path,
        name: str | None = None,
        *,
        kind: str,
        settings: Mapping[str, Any],
        stem: str = "run",
    ) -> RunFolder:
        """A new folder in ``root``; without a name, ``stem-YYYYMMDD-HHMMSS``, with ``-2`` if taken.

        Raises UsageError if the name is taken or cannot be a folder's.
        """
        now = datetime.now(UTC)
        path = _claim(root, name) if name is not None else _claim_generated(root, stem, now)
        record = {
            "schema": SCHEMA,
            "name": path.name,
            "kind": kind,
            "status": "created",
            "created": now.isoformat(),
            "settings": dict(settings),
            "observer_failures": [],
        }
        _write_record(path, record)
        return cls(path)

    @classmethod
    def open(cls, root: Path, name: str) -> RunFolder:
        """The run ``name`` in ``root``. Raises UsageError with a did-you-mean if there is none."""
        names = run_names(root)
        if name not in names:
            raise UsageError(f"no run '{name}' in {root}", remedy(name, names))
        return cls(root / name)

    @classmethod
    def newest(cls, root: Path, kind: str = "align", status: str = "finished") -> RunFolder:
        """The run of this kind and status that was created last; UsageError if there is none."""
        fitting = [
            run
            for run in all_runs(root)
            if run.record["kind"] == kind and run.record["status"] == status
        ]
        if not fitting:
            raise UsageError(
                f"no {status} {kind} run in {root}", "make one with `otx align`, or name a run"
            )
        return max(fitting, key=lambda run: (run.record["created"], run.name))

    @classmethod
    def untouched(cls, root: Path, model: str, digest: str) -> RunFolder:
        """The folder for results of an encoder as it came, opened or made.

        Its record has ``model``, where the encoder was last found, and ``model_digest``, which is
        the encoder's ``digest``.
        """
        path = root / untouched_name(model, digest)
        if not (path / RECORD).exists():
            record = {
                "schema": SCHEMA,
                "name": path.name,
                "kind": "untouched",
                "status": "finished",
                "created": datetime.now(UTC).isoformat(),
                "settings": {},
                "observer_failures": [],
                "model": model,
                "model_digest": digest,
            }
            _write_record(path, record)
        run = cls(path)
        if run.record["model"] != model:
            run.update(model=model)
        return run

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The aligned encoder, a plain Hugging Face folder."""
        return self.path / "model"

    @property
    def heads(self) -> Path:
        """Where fine-tuned models are kept, one folder a task and seed."""
        return self.path / "heads"

    @property
    def results(self) -> Path:
        """Where evaluation units lie, one folder a task."""
        return self.path / "eval"

    def update(self, **fields: Any) -> None:
        """Set fields of the record and write run.json whole."""
        record = {**self.record, **fields}
        _write_record(self.path, record)
        self.record = record

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Add one row to metrics.jsonl, flushed; a number that is not finite is written so."""
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(row)) + "\n")

    def metrics(self) -> list[dict[str, float]]:
        """Every row of metrics.jsonl; the torn last line of a killed process is left out."""
        return _read_lines(self.path / METRICS)

    def rewind(self, step: int) -> None:
        """Drop the rows of metrics.jsonl beyond ``step``: a resumed run makes them again."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        lines = "".join(json.dumps(row) + "\n" for row in kept)
        atomic.write(self.path / METRICS, lines.encode())

    def add_problems(self, problems: Sequence[Problem]) -> None:
        """Add refused lines to problems.jsonl."""
        with (self.path / PROBLEMS).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(p), ensure_ascii=False) + "\n" for p in problems)

    def problems(self) -> list[Problem]:
        """Every line of problems.jsonl."""
        return [Problem(**row) for row in _read_lines(self.path / PROBLEMS)]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run alone. Raises OTXError naming the process that holds it."""
        with _held(self.path / LOCK) as holder:
            if holder is not None:
                raise OTXError(
                    f"run {self.name} is locked by pid {holder}",
                    "wait for it, or stop it with Ctrl-C: it can be resumed",
                )
            yield

    @contextmanager
    def claim(self, work: str) -> Iterator[str | None]:
        """Hold a piece of work on this run. Yields None, or the pid of the process that holds it already."""
        (self.path / CLAIMS).mkdir(exist_ok=True)
        with _held(self.path / CLAIMS / work) as holder:
            yield holder


def untouched_name(model: str, digest: str) -> str:
    """Return the name of the folder for the results of an untouched encoder."""
    return f"{UNTOUCHED}{_as_stem(Path(model).name or model)}-{digest[:8]}"


def run_names(root: Path) -> list[str]:
    """Names of the runs in ``root``; what begins with "." or has no run.json is not a run."""
    if not root.is_dir():
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if not path.name.startswith(".") and (path / RECORD).is_file()
    )


def all_runs(root: Path) -> list[RunFolder]:
    """Every run in ``root``, by name."""
    return [RunFolder(root / name) for name in run_names(root)]


def untouched_runs(root: Path) -> list[RunFolder]:
    """The folders in ``root`` that ``RunFolder.untouched`` made; no other is read."""
    runs = [RunFolder(root / name) for name in run_names(root) if name.startswith(UNTOUCHED)]
    return [run for run in runs if run.record["kind"] == "untouched"]


def check_name(root: Path, name: str) -> None:
    """Raise UsageError if the name is taken in ``root`` or cannot be a folder's: before anything long begins."""
    if _BAD_NAME.search(name):
        raise UsageError(
            f"'{name}' cannot be the name of a run", "a name has no slash and begins with a letter"
        )
    if (root / name).exists():
        raise _taken(root, name)


def _taken(root: Path, name: str) -> UsageError:
    return UsageError(
        f"{root / name} is there already",
        f"choose another name, or go on with it: otx align --resume {name}",
    )


def _claim(root: Path, name: str) -> Path:
    check_name(root, name)
    if not _make(root / name):
        raise _taken(root, name)
    return root / name


def _claim_generated(root: Path, stem: str, now: datetime) -> Path:
    base = f"{_as_stem(stem)}-{now:%Y%m%d-%H%M%S}"
    names = itertools.chain([base], (f"{base}-{count}" for count in itertools.count(2)))
    return root / next(name for name in names if _make(root / name))


def _make(path: Path) -> bool:
    """Whether the folder is new and ours: of two processes only one is told so."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise OTXError(f"{path} cannot be made: {error.strerror or error}") from error
    return True


def _as_stem(text: str) -> str:
    return _NOT_IN_STEM.sub("-", text).strip("-.") or "run"


@contextmanager
def _held(path: Path) -> Iterator[str | None]:
    """Hold a lock file. Yields None, or the pid of the process that holds it already.

    The lock is the system's, so that it ends with its process however that ends.
    """
    from filelock import FileLock, Timeout

    # Not in the lock file itself: older filelocks empty that on every attempt.
    note = path.with_name(f"{path.name}.pid")
    try:
        lock = FileLock(path).acquire(timeout=0)
    except Timeout:
        yield note.read_text().strip() or "unknown" if note.exists() else "unknown"
        return
    except OSError as error:
        raise OTXError(f"{path.parent} cannot be locked: {error.strerror or error}") from error
    with lock:
        note.write_text(str(os.getpid()))
        yield None


def _read_record(path: Path) -> dict[str, Any]:
    file = path / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        schema = record["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is not a run's record: {error}", "remove the folder") from error
    if schema != SCHEMA:
        raise DataError(
            f"{file} has schema {schema}, and this otx reads {SCHEMA}",
            "use the otx that made the run, or update otx",
        )
    return dict(record)


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    atomic.write(path / RECORD, text.encode())


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}:{number} is damaged", "remove the line") from error
    return rows
