"""Read sentence pairs with inference labels, in the layouts of XTREME, XNLI 1.0, MultiNLI and GLUE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from otx.errors import DataError
from otx.files.reading import parse_json, read_lines
from otx.printable import quote
from otx.types import Problem

LABELS = ("entailment", "neutral", "contradiction")
NO_CONSENSUS = "-"
_SPELLINGS = {**{label: label for label in LABELS}, "contradictory": "contradiction"}
_COLUMNS = {
    "premise": ("sentence1", "premise"),
    "hypothesis": ("sentence2", "hypothesis", "hypo"),
    "label": ("gold_label", "label"),
    "language": ("language",),
    "prompt": ("promptID",),
    "pair": ("pairID",),
}


@dataclass(frozen=True, slots=True)
class NliRow:
    """One labelled pair.

    Attributes:
        line: Line in the file, from 1.
        premise: First sentence.
        hypothesis: Second sentence.
        label: One of ``LABELS``.
        language: Language; empty if the layout has none.
        prompt: promptID, which names the premise; empty if the layout has none.
        pair: pairID; empty if the layout has none.
    """

    line: int
    premise: str
    hypothesis: str
    label: str
    language: str = ""
    prompt: str = ""
    pair: str = ""


@dataclass(frozen=True, slots=True)
class NliFile:
    """The content of a file.

    Attributes:
        rows: The usable rows.
        problems: Refused rows: another width, no consensus (label "-"), or an empty sentence.
    """

    rows: list[NliRow]
    problems: list[Problem]


def read_nli(path: Path) -> NliFile:
    """Read JSON lines or a table.

    A table has a header, or is XTREME's ``sentence1 sentence2 label`` without one.
    The label "contradictory" (XNLI's machine-translated MultiNLI) means contradiction.

    Args:
        path: The file, plain or gz.

    Returns:
        The usable and the refused rows.

    Raises:
        DataError: For a missing column and an unknown label, naming file and line.
    """
    rows: list[NliRow] = []
    problems: list[Problem] = []

    def refuse(line: int, kind: str, reason: str) -> None:
        problems.append(Problem(str(path), line, kind, reason))

    for line, values in _json_rows(path) if ".jsonl" in path.suffixes else _table_rows(path):
        if isinstance(values, str):
            refuse(line, "columns", values)
            continue
        label = _SPELLINGS.get(values["label"].strip(), values["label"].strip())
        row = NliRow(line, **{**values, "label": label})
        if label == NO_CONSENSUS:
            refuse(line, "no-consensus", "the annotators did not agree on a label")
        elif label not in LABELS:
            raise DataError(
                f"{path}:{line}: label {quote(label)} is not one of {', '.join(LABELS)}",
                "XTREME's download has placeholders for test labels: use the labelled files",
            )
        elif not row.premise.strip() or not row.hypothesis.strip():
            refuse(line, "empty-sentence", "a sentence is empty")
        else:
            rows.append(row)
    return NliFile(rows, problems)


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(read_lines(path), start=1):
        values = parse_json(line, f"{path}:{number}")
        keys = list(values) if isinstance(values, dict) else []
        try:
            cells = {name: values[keys[at]] for name, at in _places(keys).items()}
        except KeyError as error:
            raise DataError(
                f"{path}:{number}: not a JSON object with sentence1, sentence2 and gold_label"
            ) from error
        for name, cell in cells.items():
            # Some copies have labels and running numbers as numbers.
            if not isinstance(cell, str | int):
                raise DataError(f"{path}:{number}: {name} is neither text nor a number")
        yield number, {name: str(cell) for name, cell in cells.items()}


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Yield line and cells by name of each row, or the reason why its width is wrong."""
    lines = read_lines(path)
    header = lines[0].split("\t") if lines else []
    headed = {"sentence1", "premise"} & {*header} != set()
    try:
        places = _places(header if headed else ["sentence1", "sentence2", "label"][: len(header)])
    except KeyError as error:
        raise DataError(
            f"{path}:1: no column {error.args[0]}",
            "expected: sentence1, sentence2, label; XTREME's download comes without test labels",
        ) from error
    for number, line in enumerate(lines[headed:], start=1 + headed):
        cells = line.split("\t")
        if len(cells) == len(header):
            yield number, {name: cells[at] for name, at in places.items()}
        else:
            yield number, f"{len(cells)} columns instead of {len(header)}"


def _places(header: Sequence[str]) -> dict[str, int]:
    """Return the column of each field; raise KeyError with its usual name if one of the first three is missing."""
    places = {}
    for name, keys in _COLUMNS.items():
        columns = [header.index(key) for key in keys if key in header]
        if columns:
            places[name] = columns[0]
        elif name in ("premise", "hypothesis", "label"):
            raise KeyError(keys[0])
    return places
