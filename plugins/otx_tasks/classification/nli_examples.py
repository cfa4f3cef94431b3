"""Examples out of rows of sentence pairs, and the checks before they are used."""

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
    """Test examples with fields ``premise``, ``hypothesis`` and ``label``; ids and clusters agree between languages.

    An id is the pairID and a cluster the promptID (the premise) where ``names`` or the rows tell them. Otherwise a
    row's number is its id, and its cluster the first row with the same premise among ``pivot``, the same rows in
    English. Raises DataError if the rows are not parallel, for duplicate ids and for implausible labels.
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
    """Raise DataError if a label has less than 20 % or more than 47 % of 30 rows or more; XNLI has a third of each."""
    counts = Counter(labels)
    shares = [counts[label] / max(1, len(labels)) for label in LABELS]
    if len(labels) >= SHARES_FROM and (min(shares) < LOWEST_SHARE or max(shares) > HIGHEST_SHARE):
        told = ", ".join(
            f"{label} {share:.0%}" for label, share in zip(LABELS, shares, strict=True)
        )
        raise DataError(
            f"{where}: implausible labels: {told}",
            "XTREME's download has placeholders for test labels: use the labelled files",
        )


def training_examples(rows: Iterable[NliRow], name: str, language: str | None) -> list[Example]:
    """The rows in ``language`` (or that name none; all without it), called after the file's name and line.

    Clusters are premises.
    """
    return [
        Example(f"{name}:{row.line}", row.premise, _fields(row))
        for row in rows
        if language is None or row.language in ("", language)
    ]


def _fields(row: NliRow) -> dict[str, str]:
    return {"premise": row.premise, "hypothesis": row.hypothesis, "label": row.label}
