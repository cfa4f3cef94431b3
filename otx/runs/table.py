"""What a comparison is made of: tables of columns, rows and cells, as plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from otx.data.languages import language_of

SCHEMA = 1
_LANGUAGE = re.compile(r"[a-z]{2,3}(-\w+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A number that every row has.

    ``kind``: "language"; "mean" over ``languages``; "gap", the first language minus the mean of the
    others; "change", the difference to the baseline in the first language. ``better`` is +1 where
    more is better and -1 where less is.
    """

    name: str
    kind: Literal["language", "mean", "gap", "change"]
    languages: tuple[str, ...]
    better: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, the mean over seeds, and its difference to the baseline; None where there is none.

    ``deviation``: standard deviation over ``seeds`` seeds (alignments if there are several, else
    heads). ``low``, ``high``: percentile interval of the difference; ``p`` two-sided; ``p_holm``
    adjusted for all that the table tests. ``exact``: p is McNemar's, not the bootstrap's.
    """

    value: float
    deviation: float | None = None
    seeds: int = 1
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A system or floor, with a cell (or None) for each column.

    ``baseline``: label of the row it is compared with. ``alignments``, ``heads``: how many seeds of
    each there are; 0 where nothing of the kind is trained.
    """

    system: str
    role: Literal["baseline", "system", "floor"]
    baseline: str | None
    alignments: int
    heads: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One metric of one task on one set of data.

    ``options``: those in which it differs from the task's other tables. ``examples``: how many in
    each language. ``tests``: how many differences are tested, which Holm's adjustment counts.
    ``samples``: bootstrap samples drawn.
    """

    task: str
    version: str
    data: str | None
    options: Mapping[str, Any]
    metric: str
    percent: bool
    higher_is_better: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    examples: Mapping[str, int]
    tests: int
    samples: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """What an alignment did to its own held-out numbers, and what got worse, in words.

    ``candidates``: among how many a translation was sought, by language; empty where only among held-out pairs.
    ``ceilings``: why a number cannot show a gain, by name.
    """

    run: str
    system: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    verdict: tuple[str, ...]
    candidates: Mapping[str, int] = field(default_factory=dict)
    ceilings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tables, the guards of every alignment, and what must be known beside them.

    ``systems``: label -> names of the runs that it stands for. ``confidence``: of the intervals.
    """

    systems: Mapping[str, tuple[str, ...]]
    tables: tuple[Table, ...]
    guards: tuple[Guard, ...]
    notes: tuple[str, ...]
    confidence: float
    schema: int = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def columns_of(
    languages: tuple[str, ...], source: str, bitext: frozenset[str], higher_is_better: bool
) -> tuple[Column, ...]:
    """The languages, then their means, the transfer gap and the change in the source language.

    ``bitext``: languages that some system was aligned on; their means are given where ``languages``
    are languages, and not names of sets. A mean that would only repeat a column is left out.
    """
    better = 1 if higher_is_better else -1
    columns = [Column(language, "language", (language,), better) for language in languages]
    others = tuple(language for language in languages if language != source)
    coded = others if all(_LANGUAGE.fullmatch(language) for language in others) else ()
    aligned = {language_of(code) for code in bitext}
    seen = tuple(language for language in coded if language_of(language) in aligned)
    unseen = tuple(language for language in coded if language not in seen)
    means = {
        "mean": languages,
        f"without {source}": others,
        "with bitext": seen,
        "without bitext": unseen,
    }
    taken: set[frozenset[str]] = {frozenset(), *(frozenset([name]) for name in languages)}
    for name, group in means.items():
        if frozenset(group) not in taken:
            taken.add(frozenset(group))
            columns.append(Column(name, "mean", group, better))
    if source in languages and others:
        columns.append(Column("gap", "gap", (source, *others), -better))
        columns.append(Column(f"{source} change", "change", (source,), better))
    return tuple(columns)
