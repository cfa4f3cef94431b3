"""The Hub's parquet copies of a data set: no loading script is ever run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otx.data.hub import HubFiles, cached_folder, download
from otx.errors import MissingDataError

XTREME = "google/xtreme"
"""Hu et al. 2020's tasks, a configuration for each task and language."""
HUB_SPLITS = {"test": "test", "dev": "validation"}
"""What the Hub calls our splits."""


def parquet_rows(dataset: str, config: str, split: str, wanted: str) -> Iterator[dict[str, Any]]:
    """The rows of ``config/split-*.parquet`` of a Hub data set, from the local cache where it holds them.

    One attempt, no retries. Raises DataError, saying which files are ``wanted`` instead and with which flag.
    """
    yield from _table(dataset, config, split, wanted)


def tagged_rows(
    config: str, split: str, column: str, wanted: str
) -> Iterator[tuple[list[str], list[str]]]:
    """Words and the names of their tags of XTREME's sentences; raises what ``parquet_rows`` raises."""
    table = _table(XTREME, config, split, wanted)
    kind = table.features[column].feature
    names = getattr(kind, "names", None)
    for row in table:
        yield row["tokens"], [tag if names is None else names[tag] for tag in row[column]]


def _table(dataset: str, config: str, split: str, wanted: str) -> Any:
    import datasets

    pattern = f"{config}/{split}-*.parquet"
    source = HubFiles(dataset, "dataset", [pattern])
    cached = cached_folder(source)
    files = [] if cached is None else _matching(cached, pattern)
    files = files or _matching(download(source, wanted), pattern)
    if not files:
        raise MissingDataError(f"{dataset} has no {pattern}", wanted)
    return datasets.Dataset.from_parquet(files)


def _matching(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path) for path in folder.glob(pattern))
