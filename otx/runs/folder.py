"""A run folder, the one place that holds a run's settings, metrics, weights and results.

- ``run.json``: settings, seeds, digests, diagnostics (``otx.runs.record``)
- ``metrics.jsonl`` (one row per step) and ``problems.jsonl`` (refused lines): ``otx.runs.logs``
- ``checkpoints/``, ``model/`` (the aligned encoder, a plain Hugging Face folder) and ``heads/`` (fine-tuned models)
- ``eval/``: evaluation results (``otx.runs.results``)
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otx.did_you_mean import remedy
from otx.errors import DataError, OTXError, UsageError
from otx.printable import quote
from otx.runs import logs
from otx.runs.locks import CLAIMS, LOCK, RECORD_LOCK, try_lock
from otx.runs.names import (
    UNTOUCHED,
    is_run_name,
    reserve,
    reserve_generated,
    run_names,
    untouched_name,
)
from otx.runs.record import RECORD, new_record, read_begun_record, read_record, write_record
from otx.types import Problem


class RunFolder:
    """One run on disk.

    Attributes:
        path: The folder.
        record: The content of run.json; change it with ``update`` only. Its ``kind`` is "align" or "untouched" (an
            encoder without alignment, whose results are in this folder); its ``status`` is "created", "running",
            "finished", "failed" or "interrupted".
    """

    def __init__(self, path: Path, record: dict[str, Any] | None = None) -> None:
        """Open a run folder.

        Args:
            path: The folder.
            record: Its record, if it was read already.

        Raises:
            DataError: If the folder has no record, or a damaged one.
        """
        self.path = path
        self.record: dict[str, Any] = read_record(path) if record is None else record

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
        """Create a run folder with its first record.

        Args:
            root: Folder of the runs.
            name: Name of the run; without it, ``STEM-YYYYMMDD-HHMMSS``, with ``-2`` and so on if taken.
            kind: "align" or "untouched".
            settings: The effective settings by table.
            stem: First part of a generated name.

        Returns:
            The new run, with status "created".

        Raises:
            UsageError: If the name is taken or not allowed.
            DataError: If a folder of that name is not a whole run.
            OTXError: If the folder cannot be created or written.
        """
        now = datetime.now(UTC)
        path = reserve_generated(root, stem, now) if name is None else reserve(root, name)
        record = new_record(path.name, kind, "created", settings)
        write_record(path, record)
        return cls(path)

    @classmethod
    def open(cls, root: Path, name: str) -> RunFolder:
        """Open a run by its name.

        Args:
            root: Folder of the runs.
            name: Name of the run.

        Returns:
            The run.

        Raises:
            UsageError: If no folder has this name; the remedy is the nearest name.
            DataError: If the folder has no record, a damaged one, or that of a run that never began.
        """
        if not is_run_name(name) or not (root / name).is_dir():
            names = run_names(root)
            advice = remedy(name, names) if names else "create one with: otx align"
            raise UsageError(f"no run {quote(name)} in {root}", advice)
        return cls(root / name, read_begun_record(root / name))

    @classmethod
    def newest(cls, root: Path, kind: str = "align", status: str = "finished") -> RunFolder:
        """Return the run of this kind and status that was created last.

        Args:
            root: Folder of the runs.
            kind: "align" or "untouched".
            status: A status, such as "finished".

        Raises:
            UsageError: If no run is of this kind and status.
        """
        candidates = [
            run
            for run in all_runs(root)
            if run.record["kind"] == kind and run.record["status"] == status
        ]
        if not candidates:
            raise UsageError(
                f"no {status} {kind} run in {root}", "create one with: otx align, or name a run"
            )
        return max(candidates, key=lambda run: (run.record["created"], run.name))

    @classmethod
    def untouched(cls, root: Path, model: str, digest: str) -> RunFolder:
        """Open or create the folder for the results of an untouched encoder.

        Args:
            root: Folder of the runs.
            model: Reference of the encoder, recorded as the place where it was last found.
            digest: The encoder's digest, which names the folder.

        Returns:
            The run, whose record has ``model`` and ``model_digest``.
        """
        path = root / untouched_name(model, digest)
        if not (path / RECORD).exists():
            record = new_record(
                path.name, "untouched", "finished", {}, model=model, model_digest=digest
            )
            write_record(path, record)
        run = cls(path)
        if run.record["model"] != model:
            run.update(model=model)
        return run

    @property
    def name(self) -> str:
        """The name of the run, which is that of its folder."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The aligned encoder, a plain Hugging Face folder.

        It exists once the run is finished.
        """
        return self.path / "model"

    @property
    def heads(self) -> Path:
        """The folder of the fine-tuned models, one for each task and seed."""
        return self.path / "heads"

    @property
    def results(self) -> Path:
        """The folder of the evaluation results, one subfolder for each task."""
        return self.path / "eval"

    def encoder(self) -> str:
        """Return what the run's encoder plugin opens as the run's encoder.

        Returns:
            The folder of the aligned encoder; for an untouched encoder, the reference in the record.

        Raises:
            UsageError: If the alignment is not finished, so that it has no encoder.
        """
        if self.record["kind"] == "untouched":
            return str(self.record["model"])
        if not self.model.is_dir():
            raise UsageError(
                f"run {self.name} has no encoder of its own: it is {self.record['status']}",
                f"finish it with: otx align --resume {self.name}",
            )
        return str(self.model)

    def update(self, **fields: Any) -> None:
        """Set fields of the record and write run.json, whole or not at all.

        Several processes may evaluate one run: each keeps what the others wrote in the meantime.

        Args:
            **fields: New values by field.

        Raises:
            OTXError: If the file cannot be written; ``record`` then stays as it was.
        """
        from filelock import FileLock

        with FileLock(self.path / RECORD_LOCK):
            try:
                newest = read_record(self.path)
            except DataError:
                # Damaged since it was opened: what this process read was whole.
                newest = self.record
            record = {**newest, **fields}
            write_record(self.path, record)
        self.record = record

    def append_metrics(self, row: Mapping[str, float], *, synced: bool = False) -> None:
        """Add one row to metrics.jsonl, as ``otx.runs.logs.append_metrics``.

        Args:
            row: The numbers of a step by name.
            synced: Wait until the disk has the file.
        """
        logs.append_metrics(self.path / logs.METRICS, row, synced=synced)

    def metrics(self) -> list[dict[str, float]]:
        """Read every row of metrics.jsonl, without the torn last line of a killed process.

        Raises:
            DataError: If a row is damaged, naming the first one.
        """
        return logs.read_metrics(self.path / logs.METRICS)

    def rewind(self, step: int) -> None:
        """Drop the rows of metrics.jsonl after ``step``: a resumed run writes them again.

        Args:
            step: The last step whose row is kept.

        Raises:
            DataError: If a row is damaged, or the rows up to ``step`` are not complete and in order.
        """
        logs.rewind_metrics(self.path / logs.METRICS, step)

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Add refused lines to problems.jsonl.

        Args:
            problems: The refused lines.
        """
        logs.append_problems(self.path / logs.PROBLEMS, problems)

    def problems(self) -> list[Problem]:
        """Read every line of problems.jsonl.

        Raises:
            DataError: If a line is damaged, naming the first one.
        """
        return logs.read_problems(self.path / logs.PROBLEMS)

    def remove(self) -> None:
        """Remove the whole folder: for a run that was refused before its first step."""
        shutil.rmtree(self.path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run alone for the time of the block.

        Raises:
            OTXError: If another process holds it, naming that process.
        """
        with try_lock(self.path / LOCK) as holder:
            if holder is not None:
                raise OTXError(
                    f"run {self.name} is locked by pid {holder}",
                    "wait for it, or stop it with Ctrl-C: it can be resumed",
                )
            yield

    @contextmanager
    def claim(self, work: str) -> Iterator[str | None]:
        """Hold a piece of work on this run for the time of the block.

        Args:
            work: Name of the piece of work, as a file's.

        Yields:
            None if this process holds it, otherwise the pid of the process that does.
        """
        (self.path / CLAIMS).mkdir(exist_ok=True)
        with try_lock(self.path / CLAIMS / work) as holder:
            yield holder


def all_runs(root: Path) -> list[RunFolder]:
    """Return every run in ``root`` whose record can be read, by name.

    ``damaged_runs`` returns the errors of the others.

    Args:
        root: Folder of the runs.
    """
    return _readable(root, run_names(root))[0]


def damaged_runs(root: Path) -> list[DataError]:
    """Return the error of each run in ``root`` whose record cannot be read.

    Args:
        root: Folder of the runs.
    """
    return _readable(root, run_names(root))[1]


def untouched_runs(root: Path) -> list[RunFolder]:
    """Return the readable folders in ``root`` of untouched encoders.

    These are the folders that ``RunFolder.untouched`` created; no other is read.

    Args:
        root: Folder of the runs.
    """
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
