"""The corpus ``hub``: a data set of the Hugging Face Hub, or a folder of its files, read through ``datasets``.

``--corpus`` takes ``hub:org/name``, ``hub:org/name#de-en`` for one of its configurations (``hub.config`` applies to
data sets without ``#``), or ``hub:path/to/folder``. No code of a data set is ever run: ``datasets`` 4 and later have no
loading scripts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets

from otx.data.bitext import VERSION, Bitext, NumberedLines, store_pairs
from otx.data.cache import built, cache_folder
from otx.data.hub import quiet_client, resolve_commit, unreachable
from otx.data.lines import Line, check_text
from otx.errors import DataError, UsageError
from otx.files import atomic
from otx.files.digests import folder_digests, short_key
from otx.files.reading import read_json, read_object
from otx.interfaces import Corpus
from otx_corpora.languages import looks_like_language, source_language
from otx_corpora.options import HubOptions

_COMMIT = re.compile("[0-9a-f]{40}")
_LANGUAGES = "languages.json"
_BY_HAND = "download its parquet files and give their folder: --corpus hub:FOLDER"


def open_corpora(spec: str, options: HubOptions, pivot: str) -> list[Corpus]:
    """Open the language pair of a data set.

    Its text is checked like that of bitext files and kept in otx's own cache. Without ``hub.revision``, later runs read
    the commit that was recorded at the first download, so that they read the same text. The commit is part of the
    corpus's name.

    Args:
        spec: ``org/name``, ``org/name#CONFIG`` or a folder.
        options: Options of ``hub``.
        pivot: The pivot language.

    Returns:
        One corpus.

    Raises:
        DataError: If the Hub cannot be reached, after one attempt, or if ``HF_HUB_OFFLINE`` forbids it.
        UsageError: If the spec names no data set or nothing after ``#``, or if two languages are not recognised.
    """
    if not spec:
        raise UsageError("the corpus hub needs a data set", "write hub:org/name or hub:FOLDER")
    spec, config = _split(spec)
    options = replace(options, config=config or options.config)
    selection = [options.config, options.split, options.columns, options.max_characters, pivot]
    if Path(spec).is_dir():
        return [_open(spec, None, options, pivot, short_key(folder_digests(Path(spec)), selection))]
    commit = _known_commit(spec, options.revision) or resolve_commit(
        spec, options.revision, _BY_HAND
    )
    corpus = _open(spec, commit, options, pivot, short_key(spec, commit, selection))
    if options.revision is None:
        atomic.write(_record(spec), json.dumps({"revision": commit}).encode())
    return [corpus]


def _split(spec: str) -> tuple[str, str | None]:
    """Return the data set and the configuration after ``#``; a folder's own name may have a ``#``."""
    name, mark, config = spec.rpartition("#")
    if not mark or Path(spec).is_dir():
        return spec, None
    if not name or not config:
        raise UsageError(
            f"data set {spec} has nothing before or after its #", "write hub:org/name#CONFIG"
        )
    return name, config


def _open(spec: str, commit: str | None, options: HubOptions, pivot: str, key: str) -> Corpus:
    subset = spec if options.config is None else f"{spec}#{options.config}"
    name = subset if commit is None else f"{subset}@{commit}"

    def build(folder: Path) -> None:
        if commit is not None:
            resolve_commit(spec, commit, _BY_HAND)
        rows = _load(spec, commit, options)
        columns = _columns(rows, options, name)
        first, second = columns
        source = source_language(pivot, (first, second), f"data set {name}")
        paths = columns[source], columns[pivot]
        store_pairs(folder, _lines(rows, paths, options.max_characters))
        (folder / _LANGUAGES).write_text(json.dumps([source, pivot]))

    folder = built(cache_folder() / "hub" / short_key(VERSION, key), build)
    source, _ = read_json(folder / _LANGUAGES)
    return Bitext(
        folder,
        name=name,
        languages=(source, pivot),
        files=(f"{name} {source}", f"{name} {pivot}"),
        pretokenised=options.pretokenised,
    )


def _record(spec: str) -> Path:
    """Return the file that records the commit of a data set's first download."""
    return cache_folder() / "hub" / f"{spec.replace('/', '--')}.json"


def _known_commit(spec: str, revision: str | None) -> str | None:
    """Return the commit of a revision, if it is known without the Hub."""
    if revision is not None:
        return revision if _COMMIT.fullmatch(revision) else None
    path = _record(spec)
    if not path.exists():
        return None
    commit = read_object(path).get("revision")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise DataError(
            f"{path}: no commit of {spec}", "remove the file, or set hub.revision to a commit"
        )
    return commit


def _load(spec: str, commit: str | None, options: HubOptions) -> datasets.Dataset:
    try:
        with quiet_client(), _no_bars():
            return datasets.load_dataset(
                spec, name=options.config, split=options.split, revision=commit
            )
    except Exception as error:
        raise unreachable(
            f"{spec} (config {options.config}, {options.split})", error, _BY_HAND
        ) from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """Let ``datasets`` draw no progress bars within the context."""
    silent = datasets.utils.are_progress_bars_disabled()
    datasets.utils.disable_progress_bars()
    try:
        yield
    finally:
        if not silent:
            datasets.utils.enable_progress_bars()


def _columns(rows: datasets.Dataset, options: HubOptions, name: str) -> dict[str, list[str]]:
    """Return the path of the column of each of two languages."""
    paths: dict[str, list[str]] = {}
    if options.columns:
        for text in options.columns:
            language, _, column = text.partition(":")
            paths[language] = column.split(".")
            _check_column(rows, paths[language], name)
    elif "translation" in rows.features:
        feature = rows.features["translation"]
        paths = {language: ["translation", language] for language in _fields(feature)}
    else:
        paths = {column: [column] for column in rows.features if looks_like_language(column)}
    if len(paths) != 2:
        raise UsageError(
            f"data set {name}: two languages are not recognised in its columns {', '.join(rows.features)}",
            'add --set hub.columns=["en:COLUMN","de:COLUMN"]',
        )
    return paths


def _check_column(rows: datasets.Dataset, path: list[str], name: str) -> None:
    feature: Any = rows.features
    for field in path:
        fields = _fields(feature)
        if field not in fields:
            raise UsageError(
                f"data set {name} has no column {'.'.join(path)}", f"it has {', '.join(fields)}"
            )
        feature = feature[field] if hasattr(feature, "keys") else None


def _fields(feature: Any) -> list[str]:
    """Return the names in a struct, or a translation's languages."""
    if isinstance(feature, datasets.Translation):
        return list(feature.languages)
    return list(feature) if hasattr(feature, "keys") else []


def _lines(
    rows: datasets.Dataset, paths: tuple[list[str], list[str]], max_characters: int
) -> Iterator[NumberedLines]:
    columns = rows.select_columns(sorted({path[0] for path in paths}))
    for number, row in enumerate(columns, start=1):
        source, pivot = (_text(row, path, max_characters) for path in paths)
        yield number, source, pivot


def _text(row: Any, path: list[str], max_characters: int) -> Line:
    for field in path:
        row = row and row[field]
    if not isinstance(row, str | None):
        raise UsageError(
            f"column {'.'.join(path)} holds {type(row).__name__}, not text",
            "name columns of text in hub.columns",
        )
    return check_text(row or "", max_characters)
