"""A comparison as plain data: tables of columns, rows and cells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from otx.data.languages import language_of

SCHEMA = 1
"""Schema of the JSON output."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(-\w+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Heading.
        kind: "language"; "mean" over ``languages``; "gap", the first language minus the mean of the others; "change",
            the difference to the baseline in the first language.
        languages: The languages that the number is computed from.
        better: +1 if more is better, -1 if less is.
    """

    name: str
    kind: Literal["language", "mean", "gap", "change"]
    languages: tuple[str, ...]
    better: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and its difference to the baseline; None where there is none.

    Attributes:
        value: Mean over seeds, a fraction or as the metric defines it.
        deviation: Standard deviation over ``seeds``.
        seeds: Number of alignment seeds if there are several, otherwise of head seeds.
        difference: Value minus the baseline's value.
        low: Lower end of the difference's percentile interval.
        high: Upper end of the interval.
        p: Two-sided p of the difference.
        p_holm: p after Holm's adjustment for all differences that the table tests.
        exact: True if p is McNemar's exact p, False if it is the bootstrap's.
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
    """A system or a floor.

    Attributes:
        system: Label of the system, or name of the floor.
        role: "baseline" if another system is compared with it, "system", or "floor" (a baseline without an encoder).
        baseline: Label of the row that it is compared with.
        alignments: Number of alignment seeds; 0 if it is not aligned.
        heads: Number of head seeds; 0 if no head is fitted.
        cells: A cell for each column, or None.
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

    Attributes:
        task: Name of the task.
        version: Version of the task.
        data: Name of the data, or None.
        options: The options in which it differs from the task's other tables.
        metric: Name of the metric.
        percent: True if the metric is a share, shown as a percentage.
        higher_is_better: True if more is better.
        columns: The columns.
        rows: The rows.
        examples: Number of examples by language.
        tests: Number of differences that are tested; Holm's adjustment counts them.
        samples: Number of bootstrap samples.
        notes: Notes below the table, one line each.
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
    """The diagnostics of one alignment: its held-out measures before and after.

    Attributes:
        run: Name of the run.
        system: Label of its system.
        before: Measures before the alignment, by name.
        after: Measures after the alignment, by name.
        verdict: What got worse, one line each.
        candidates: Number of candidates of retrieval by language; empty if only held-out pairs are searched.
        ceilings: Reason why a measure cannot show a gain, by name.
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
    """The result of a comparison.

    Attributes:
        systems: Names of the runs of each system, by its label.
        tables: The tables.
        guards: The diagnostics of every alignment.
        notes: Notes on the whole comparison, one line each.
        confidence: Confidence of the intervals.
        schema: Schema of the JSON output.
    """

    systems: Mapping[str, tuple[str, ...]]
    tables: tuple[Table, ...]
    guards: tuple[Guard, ...]
    notes: tuple[str, ...]
    confidence: float
    schema: int = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return asdict(self)


def columns_of(
    languages: tuple[str, ...], source: str, bitext: frozenset[str], higher_is_better: bool
) -> tuple[Column, ...]:
    """Return the columns of a table.

    They are the languages, their means, the transfer gap and the change in the source language.

    Args:
        languages: Languages, or names of sets, in the order of the columns.
        source: The language that heads are trained in.
        bitext: Languages that some system was aligned on; they are averaged separately if ``languages`` are language
            codes and not names of sets.
        higher_is_better: True if more of the metric is better.

    Returns:
        The columns. A mean that would only repeat another column is left out.

    Example:
        >>> [column.name for column in columns_of(("en", "de", "tr"), "en", frozenset({"de"}), True)]
        ['en', 'de', 'tr', 'mean', 'without en', 'gap', 'en change']
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
