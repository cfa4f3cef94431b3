"""Options of the corpora: tables ``[files]``, ``[sample]`` and ``[hub]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from otx.config.validation import Constrained, SettingError, check_constraints
from otx.data.encodings import UTF8, known_encoding
from otx.errors import DataError


@dataclass(frozen=True, slots=True)
class FilesOptions(Constrained):
    """Options of ``files``.

    Attributes:
        pretokenised: Whether words in the files are separated by white space, as in word-alignment data.
        max_characters: Longest line in characters; longer lines are refused and counted.
        encoding: Encoding of text files (utf-8, gbk, shift_jis, windows-1251, ...); a byte-order mark overrides it.
        columns: The columns with the two sides of a single file: ``en:1`` and ``de:2`` (columns of a .tsv), or
            ``en:english`` and ``de:non_english`` (keys of a .jsonl, or names in a header). By default they are
            recognised from the header or keys, and from the file's name.
    """

    pretokenised: bool = False
    max_characters: Annotated[int, Gt(0)] = 10_000
    encoding: str = UTF8
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_constraints(self)
        _check_columns(self.columns)
        try:
            known_encoding(self.encoding, "files.encoding")
        except DataError as error:
            raise SettingError("encoding", "must be one that Python knows: utf-8, gbk") from error


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """Options of ``sample``.

    Attributes:
        tokenised: Whether to open the pre-tokenised form of the same sentences.
    """

    tokenised: bool = False


@dataclass(frozen=True, slots=True)
class HubOptions(Constrained):
    """Options of ``hub``.

    Attributes:
        revision: Commit, branch or tag. By default the commit that was newest at the first download, which otx records.
        config: Configuration (subset) of every data set that is not given as ``hub:org/name#CONFIG``.
        split: The split to read.
        columns: The columns with the two sides, as ``en:COLUMN`` and ``de:COLUMN`` (``en:translation.en`` for a column
            of columns). By default a ``translation`` column, or two columns named by their languages.
        pretokenised: Whether words are separated by white space.
        max_characters: Longest text in characters; longer texts are refused and counted.
    """

    revision: str | None = None
    config: str | None = None
    split: str = "train"
    columns: tuple[str, ...] = ()
    pretokenised: bool = False
    max_characters: Annotated[int, Gt(0)] = 10_000

    def __post_init__(self) -> None:
        check_constraints(self)
        _check_columns(self.columns)


def _check_columns(columns: tuple[str, ...]) -> None:
    if len(columns) not in (0, 2) or any(":" not in column for column in columns):
        raise SettingError(
            "columns", f"must be two, en:COLUMN and de:COLUMN, not {list(columns)!r}"
        )
