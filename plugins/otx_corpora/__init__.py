"""The corpora that ship with otx: line-aligned files, the embedded sample, the Hub's data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otx import hookimpl
from otx.config.validation import SettingError
from otx.data.encodings import UTF8, known_encoding
from otx.errors import DataError

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry


@dataclass(frozen=True, slots=True)
class FilesOptions:
    """Options of ``files``.

    pretokenised: the files' words are separated by white space, as in word-alignment data.
    max_characters: longer lines are refused (and counted).
    encoding: encoding of text files (utf-8, gbk, shift_jis, windows-1251, ...); a byte-order mark goes first.
    columns: where the two sides of one file are, as ``en:1`` and ``de:2`` (the columns of a .tsv), or
        ``en:english`` and ``de:non_english`` (the keys of a .jsonl, or names in a header); by default
        by the header or keys, and the file's name.
    """

    pretokenised: bool = False
    max_characters: int = 10_000
    encoding: str = UTF8
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_limit(self.max_characters)
        _check_columns(self.columns)
        try:
            known_encoding(self.encoding, "files.encoding")
        except DataError as error:
            raise SettingError("encoding", "must be one that Python knows: utf-8, gbk") from error


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """Options of ``sample``.

    tokenised: open the pre-tokenised form of the same sentences.
    """

    tokenised: bool = False


@dataclass(frozen=True, slots=True)
class HubOptions:
    """Options of ``hub``.

    revision: commit, branch or tag; by default the commit that was newest at the first download,
        which is recorded.
    config: the configuration (subset) of every data set that is not given as ``hub:org/name#CONFIG``.
    split: which split is read.
    columns: where the two sides are, as ``en:COLUMN`` and ``de:COLUMN`` (``en:translation.en`` for
        a column of columns); by default a ``translation`` column, or two columns named by their
        languages.
    pretokenised: words are separated by white space.
    max_characters: longer texts are refused (and counted).
    """

    revision: str | None = None
    config: str | None = None
    split: str = "train"
    columns: tuple[str, ...] = ()
    pretokenised: bool = False
    max_characters: int = 10_000

    def __post_init__(self) -> None:
        _check_limit(self.max_characters)
        _check_columns(self.columns)


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the three corpora."""
    registry.corpus(
        "files",
        "otx_corpora.files:open_corpora",
        "two line-aligned files: path/en-de (.en and .de, plain or gz) or en:a.txt,de:b.txt; one .tsv, .jsonl or .tmx",
        FilesOptions,
    )
    registry.corpus(
        "sample",
        "otx_corpora.sample:open_corpora",
        "the embedded sentences in en, de, es, fr, ru, zh; sample:de,es takes some",
        SampleOptions,
    )
    registry.corpus(
        "hub",
        "otx_corpora.hub:open_corpora",
        "a parquet data set of the Hub, hub:org/name or hub:org/name#CONFIG, or a folder of parquet files",
        HubOptions,
    )


def _check_limit(max_characters: int) -> None:
    if max_characters < 1:
        raise SettingError("max_characters", f"must be 1 or more, not {max_characters}")


def _check_columns(columns: tuple[str, ...]) -> None:
    if len(columns) not in (0, 2) or any(":" not in column for column in columns):
        raise SettingError(
            "columns", "must be two, en:COLUMN and de:COLUMN, not " + repr(list(columns))
        )
