"""Hashes of the sentences of a run's bitext, by which evaluation counts contamination."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from otx.alignment.data import split_corpora
from otx.config.settings import settings_from
from otx.data.overlap import sentence_hashes
from otx.errors import DataError, OTXError
from otx.files import atomic
from otx.files.arrays import ArrayWriter, open_array, scan
from otx.interfaces import Corpus
from otx.plugin_host.registry import Registry
from otx.reporter import Reporter
from otx.runs.folder import RunFolder

HASHES = "bitext-hashes.npy"
_DIGEST = "bitext_hashes"
BLOCK = 2**20
"""Hashes in memory at a time."""


def write_hashes(run: RunFolder, train: Sequence[Corpus]) -> np.ndarray:
    """Write the hashes of the training pairs' sentences, whole or not at all, and their digest into run.json.

    Args:
        run: The run.
        train: Its training pairs.

    Returns:
        The hashes, sorted, uint64 ``[S]``.

    Raises:
        OTXError: If the file cannot be written, naming the file and its size.
    """
    hashes = sentence_hashes(train)
    path = run.path / HASHES
    # Several processes may evaluate a run at the same time.
    with atomic.replacing(path, hashes.nbytes) as partial, ArrayWriter(partial, np.uint64) as file:
        for _, block in scan(hashes, BLOCK):
            file.add(block)
    run.update(**{_DIGEST: _digest(hashes)})
    return open_array(path)


def training_hashes(run: RunFolder, train: Sequence[Corpus]) -> np.ndarray:
    """Return the hashes of a run in training; if the file is missing or damaged, it is written again.

    Args:
        run: The run.
        train: Its training pairs.

    Returns:
        The hashes, sorted, uint64 ``[S]``.
    """
    hashes = _read(run)
    return write_hashes(run, train) if hashes is None else hashes


def recorded_hashes(run: RunFolder, registry: Registry, reporter: Reporter) -> np.ndarray:
    """Return the hashes of a finished run; if the file is missing or damaged, it is written again from the corpora.

    Args:
        run: A run of ``otx align``.
        registry: The registered corpora.
        reporter: Receives a notice if they are computed again.

    Returns:
        The hashes, sorted, uint64 ``[S]``.

    Raises:
        DataError: If the file is missing and the corpora changed.
    """
    hashes = _read(run)
    if hashes is not None:
        return hashes
    path = run.path / HASHES
    reporter.notice(f"{path} is missing or damaged; computing it again from the corpora")
    settings = settings_from(run.record["settings"], f"run {run.name}")
    try:
        parts = split_corpora(settings.data, registry, settings.option_tables).parts
    except OTXError as error:
        raise _unrecoverable(run, error.message) from error
    now = {(part.train.name, part.train.source_language): part.train for part in parts}
    for corpus in run.record["corpora"]:
        train = now.get((corpus["name"], corpus["source"]))
        if train is None or train.fingerprint() != corpus["fingerprint"]:
            raise _unrecoverable(run, f"corpus {corpus['name']} changed")
    return write_hashes(run, [part.train for part in parts])


def _read(run: RunFolder) -> np.ndarray | None:
    """Return the hashes as they were written; None if the file is missing or damaged."""
    try:
        hashes = open_array(run.path / HASHES)
    except (OSError, EOFError, ValueError):
        return None
    if hashes.dtype != np.uint64 or hashes.ndim != 1:
        return None
    # A run of before the digest was recorded: that the hashes are sorted and different is all that can be checked.
    digest = run.record.get(_DIGEST)
    as_written = (hashes[1:] > hashes[:-1]).all() if digest is None else digest == _digest(hashes)
    return hashes if as_written else None


def _digest(hashes: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for _, block in scan(hashes, BLOCK):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def _unrecoverable(run: RunFolder, reason: str) -> DataError:
    corpora = ", ".join(corpus["name"] for corpus in run.record["corpora"])
    return DataError(
        f"{run.path / HASHES} is missing or damaged, so the overlap of bitext and test sets cannot be counted, "
        f"and it cannot be computed again: {reason}",
        f"restore the corpora of the run ({corpora}) and repeat the command, or align again",
    )
