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
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otx.did_you_mean import remedy
from otx.errors import DataError, OTXError, UsageError
from otx.files import atomic
from otx.files.reading import parse_json, read_bytes, read_object
from otx.files.shapes import COUNT, check_shape
from otx.printable import quote
from otx.runs.record_migration import SCHEMA, migrate_record
from otx.runs.shapes import PROBLEM_SHAPE, RECORD_SHAPE, ROW_SHAPE
from otx.types import Problem

STATUSES = ("created", "running", "finished", "failed", "interrupted")
RECORD, METRICS, PROBLEMS = "run.json", "metrics.jsonl", "problems.jsonl"
LOCK, RECORD_LOCK, CLAIMS = ".lock", ".record.lock", ".claims"
UNTOUCHED = "untouched-"
_WORK = ("checkpoints", "model", "heads", "eval")
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
        """Open a run by its name.

        Raises:
            UsageError: If there is no folder of this name, with a did-you-mean.
            DataError: If the folder has no record, a damaged one, or that of a run that never began.
        """
        if _BAD_NAME.search(name) or not (root / name).is_dir():
            raise UsageError(f"no run {quote(name)} in {root}", remedy(name, run_names(root)))
        run = cls(root / name)
        created = run.record["kind"] == "align" and run.record["status"] == "created"
        if created and "model_digest_before" not in run.record:
            raise DataError(f"run {name} was stopped before it had begun", _way_out(run.path))
        return run

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
        """Set fields of the record and write run.json whole.

        Several processes may evaluate one run: each keeps what the others have written meanwhile.
        """
        from filelock import FileLock

        with FileLock(self.path / RECORD_LOCK):
            try:
                newest = _read_record(self.path)
            except DataError:
                # Damaged since it was opened: what this process read of it was whole.
                newest = self.record
            record = {**newest, **fields}
            _write_record(self.path, record)
        self.record = record

    def append_metrics(self, row: Mapping[str, float], *, synced: bool = False) -> None:
        """Add one row to metrics.jsonl; a number that is not finite is written so.

        Args:
            row: The numbers of a step by name.
            synced: Whether to wait until the disk has the file: a checkpoint of this step must not outlive its row.
        """
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(row)) + "\n")
            if synced:
                file.flush()
                os.fsync(file.fileno())

    def metrics(self) -> list[dict[str, float]]:
        """Read every row of metrics.jsonl; the torn last line of a killed process is left out.

        Raises:
            DataError: Naming the first damaged row.
        """
        return _read_lines(
            self.path / METRICS, ROW_SHAPE, "restore the file from a copy, or start a new run"
        )

    def rewind(self, step: int) -> None:
        """Drop the rows of metrics.jsonl beyond ``step``: a resumed run makes them again.

        Raises:
            DataError: If a row is damaged, or the rows up to ``step`` are not all there.
        """
        kept = [row for row in self.metrics() if row["step"] <= step]
        whole = next((n for n, row in enumerate(kept) if row["step"] != n + 1), len(kept))
        if (whole, len(kept)) != (step, step):
            raise DataError(
                f"{self.path / METRICS}: the row of step {whole + 1} is missing or out of order, "
                f"and the newest checkpoint is of step {step}",
                f"restore the file from a copy, or move the checkpoints later than step {whole} away",
            )
        lines = "".join(json.dumps(row) + "\n" for row in kept)
        atomic.write(self.path / METRICS, lines.encode())

    def add_problems(self, problems: Sequence[Problem]) -> None:
        """Add refused lines to problems.jsonl."""
        with (self.path / PROBLEMS).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(p), ensure_ascii=False) + "\n" for p in problems)

    def problems(self) -> list[Problem]:
        """Every line of problems.jsonl."""
        known = {field.name for field in fields(Problem)}
        rows = _read_lines(self.path / PROBLEMS, PROBLEM_SHAPE, "remove the line")
        return [Problem(**{name: row[name] for name in known & row.keys()}) for row in rows]

    def remove(self) -> None:
        """Remove the whole folder: for a run that was refused before its first step."""
        shutil.rmtree(self.path)

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
    """Return every run in ``root`` whose record can be read, by name; ``damaged_runs`` has the others."""
    return _readable(root, run_names(root))[0]


def damaged_runs(root: Path) -> list[DataError]:
    """Return what is wrong with each run in ``root`` whose record cannot be read."""
    return _readable(root, run_names(root))[1]


def untouched_runs(root: Path) -> list[RunFolder]:
    """Return the readable folders in ``root`` that ``RunFolder.untouched`` made; no other is read."""
    names = [name for name in run_names(root) if name.startswith(UNTOUCHED)]
    return [run for run in _readable(root, names)[0] if run.record["kind"] == "untouched"]


def _readable(root: Path, names: Sequence[str]) -> tuple[list[RunFolder], list[DataError]]:
    runs: list[RunFolder] = []
    damaged: list[DataError] = []
    for name in names:
        try:
            runs.append(RunFolder(root / name))
        except DataError as error:
            damaged.append(error)
    return runs, damaged


def check_name(root: Path, name: str) -> None:
    """Refuse a name that is taken in ``root`` or cannot be a folder's, before anything long begins.

    Raises:
        UsageError: Saying what can be done about the run of that name.
        DataError: If a folder of that name is not a whole run, as ``RunFolder.open``.
    """
    if _BAD_NAME.search(name):
        raise UsageError(
            f"'{name}' cannot be the name of a run", "a name has no slash and begins with a letter"
        )
    if (root / name).exists():
        raise _taken(root, name)


def _taken(root: Path, name: str) -> UsageError:
    """The error for a taken name. Raises DataError where what has the name is not a whole run."""
    if not (root / name).is_dir():
        return UsageError(f"{root / name} is a file", "choose another name")
    record = RunFolder.open(root, name).record
    if record["kind"] != "align":
        what, way = "holds the results of an untouched encoder", "choose another name"
    elif record["status"] == "finished":
        what, way = "is a finished run", "choose another name, or remove the folder"
    else:
        what = f"is there already: a run that is {record['status']}"
        way = f"choose another name, or go on with it: otx align --resume {name}"
    return UsageError(f"{root / name} {what}", way)


def _way_out(path: Path) -> str:
    """What to do about a folder without a whole record: nothing that was worked for is thrown away."""
    work = [name for name in _WORK if (path / name).is_dir() and any((path / name).iterdir())]
    if work:
        return f"restore {RECORD} from a copy; keep the folder, which holds {', '.join(work)}"
    return f"remove {path}, which holds no checkpoint and no result, and start again"


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
    if not file.exists():
        raise DataError(f"{path} is not a run: it has no {RECORD}", _way_out(path))
    try:
        record = read_object(file)
        check_shape(record, {"schema": COUNT}, RECORD)
        record = migrate_record(record)
        if record["schema"] == SCHEMA:
            check_shape(record, RECORD_SHAPE, RECORD)
            if record["status"] not in STATUSES:
                raise DataError(f"{RECORD}: 'status' is {quote(record['status'])}")
    except DataError as error:
        raise DataError(f"{file} is not a run's record: {error.message}", _way_out(path)) from error
    if record["schema"] != SCHEMA:
        raise DataError(
            f"{file} has schema {record['schema']}, and this otx reads {SCHEMA}",
            "use the otx that made the run, or update otx",
        )
    return record


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    atomic.write(path / RECORD, text.encode())


def _read_lines(path: Path, shape: Mapping[str, Any], way_out: str) -> list[dict[str, Any]]:
    """The rows of a JSONL file, which must have this shape; an unfinished last line is left out."""
    if not path.exists():
        return []
    *lines, _torn = read_bytes(path).split(b"\n")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number} is damaged"
        try:
            rows.append(parse_json(line, place))
            check_shape(rows[-1], shape, place)
        except DataError as error:
            raise DataError(error.message, way_out) from error
    return rows
