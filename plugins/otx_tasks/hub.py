"""The Hub's parquet copies of a data set: no loading script is ever run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otx.errors import DataError

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
    files = _cached(dataset, pattern) or _downloaded(dataset, pattern, wanted)
    if not files:
        raise DataError(f"{dataset} has no {pattern}", wanted)
    return datasets.Dataset.from_parquet(files)


def _cached(dataset: str, pattern: str) -> list[str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return _matching(
            snapshot_download(
                dataset, repo_type="dataset", allow_patterns=pattern, local_files_only=True
            ),
            pattern,
        )
    except LocalEntryNotFoundError:
        return []


def _downloaded(dataset: str, pattern: str, wanted: str) -> list[str]:
    from huggingface_hub import snapshot_download

    try:
        return _matching(
            snapshot_download(dataset, repo_type="dataset", allow_patterns=pattern), pattern
        )
    except (
        Exception
    ) as error:  # the client's errors share no base class, and each means the same here
        raise DataError(
            f"{dataset} ({pattern}) is not in the Hugging Face cache, and the Hub cannot be reached "
            f"({_first_line(error)})",
            wanted,
        ) from error


def _matching(folder: str, pattern: str) -> list[str]:
    return sorted(str(path) for path in Path(folder).glob(pattern))


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
