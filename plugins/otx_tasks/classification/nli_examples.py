"""Build and check examples from rows of sentence pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from otx.errors import DataError
from otx.types import Example
from otx_tasks.classification.nli_files import LABELS, NliRow
from otx_tasks.files import refuse_duplicates

LOWEST_SHARE, HIGHEST_SHARE = 0.20, 0.47
SHARES_FROM = 30


def parallel_examples(
    rows: Sequence[NliRow],
    pivot: Sequence[NliRow],
    names: Sequence[tuple[str, str]] | None,
    where: str,
) -> list[Example]:
    """Build the test examples of a language; ids and clusters agree between languages.

    An id is the pairID and a cluster the promptID (the premise), if ``names`` or the rows have them. Otherwise a row's
    number is its id, and its cluster is the first row with the same premise in English.

    Args:
        rows: The rows of the language.
        pivot: The same rows in English.
        names: pairID and promptID of each row, if they are in a separate file.
        where: Name of the set, for messages.

    Returns:
        Examples with fields ``premise``, ``hypothesis`` and ``label``.

    Raises:
        DataError: If the rows are not parallel to English's, an id occurs twice, or the labels are implausible.
    """
    if [row.label for row in rows] != [row.label for row in pivot]:
        raise DataError(
            f"{where}: {len(rows)} rows, not the labels of English's {len(pivot)}",
            "all languages must have the same rows in the same order",
        )
    if names is not None and len(names) != len(rows):
        raise DataError(f"{where}: {len(rows)} rows, but the list of rows names {len(names)}")
    check_labels([row.label for row in rows], where)
    first: dict[str, int] = {}
    examples = []
    for place, (row, original) in enumerate(zip(rows, pivot, strict=True)):
        number = first.setdefault(original.premise, place)
        pair, prompt = (row.pair, row.prompt) if names is None else names[place]
        examples.append(
            Example(pair or f"row-{place + 1}", prompt or f"row-{number + 1}", _fields(row))
        )
    refuse_duplicates(examples, where)
    return examples


def check_labels(labels: Sequence[str], where: str) -> None:
    """Check the shares of the labels; XNLI has a third of each.

    Args:
        labels: The label of each row; fewer than 30 rows are not checked.
        where: Name of the set, for messages.

    Raises:
        DataError: If a label has less than 20 % or more than 47 % of the rows.
    """
    counts = Counter(labels)
    shares = [counts[label] / max(1, len(labels)) for label in LABELS]
    if len(labels) >= SHARES_FROM and (min(shares) < LOWEST_SHARE or max(shares) > HIGHEST_SHARE):
        listed = ", ".join(
            f"{label} {share:.0%}" for label, share in zip(LABELS, shares, strict=True)
        )
        raise DataError(
            f"{where}: implausible labels: {listed}",
            "XTREME's download has placeholders for test labels: use the labelled files",
        )


def training_examples(rows: Iterable[NliRow], name: str, language: str | None) -> list[Example]:
    """Build training examples; an id is the file's name and line, a cluster a premise.

    Args:
        rows: Rows of a file.
        name: Name of the file.
        language: Language of the rows to use, besides rows that name no language; None uses all rows.

    Returns:
        Examples with fields ``premise``, ``hypothesis`` and ``label``.
    """
    return [
        Example(f"{name}:{row.line}", row.premise, _fields(row))
        for row in rows
        if language is None or row.language in ("", language)
    ]


def _fields(row: NliRow) -> dict[str, str]:
    return {"premise": row.premise, "hypothesis": row.hypothesis, "label": row.label}
