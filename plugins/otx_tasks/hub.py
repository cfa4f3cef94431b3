"""Read the Hub's parquet copies of a data set; no loading script is ever run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otx.data.hub import HubFiles, cached_folder, download
from otx.errors import MissingDataError

XTREME = "google/xtreme"
"""The tasks of Hu et al. (2020), with a configuration for each task and language."""
HUB_SPLITS = {"test": "test", "dev": "validation"}
"""Names of our splits on the Hub."""


def parquet_rows(dataset: str, config: str, split: str, remedy: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of ``config/split-*.parquet`` of a Hub data set.

    They come from the local cache if it has them; otherwise a download is tried once.

    Args:
        dataset: Id of the data set on the Hub.
        config: Name of the configuration.
        split: Name of the split on the Hub.
        remedy: Files to give instead, and the flag, for messages.

    Raises:
        DataError: If the files cannot be downloaded, with the remedy.
    """
    yield from _table(dataset, config, split, remedy)


def tagged_rows(
    config: str, split: str, column: str, remedy: str
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of XTREME's sentences and the names of their tags.

    Args:
        config: Name of the configuration.
        split: Name of the split on the Hub.
        column: Column of the tags.
        remedy: Files to give instead, and the flag, for messages.

    Raises:
        DataError: If the files cannot be downloaded, with the remedy.
    """
    table = _table(XTREME, config, split, remedy)
    kind = table.features[column].feature
    names = getattr(kind, "names", None)
    for row in table:
        yield row["tokens"], [tag if names is None else names[tag] for tag in row[column]]


def _table(dataset: str, config: str, split: str, remedy: str) -> Any:
    import datasets

    pattern = f"{config}/{split}-*.parquet"
    source = HubFiles(dataset, "dataset", [pattern])
    cached = cached_folder(source)
    files = [] if cached is None else _matching(cached, pattern)
    files = files or _matching(download(source, remedy), pattern)
    if not files:
        raise MissingDataError(f"{dataset} has no {pattern}", remedy)
    return datasets.Dataset.from_parquet(files)


def _matching(folder: Path, pattern: str) -> list[str]:
    return sorted(str(path) for path in folder.glob(pattern))
