"""Read questions in the SQuAD v1.1 layout: JSON files, or rows of the Hub's parquet copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from otx.errors import DataError
from otx.files.reading import read_json
from otx.printable import quote
from otx.types import Example, Problem
from otx_tasks.files import refuse_duplicates

UNLOCATED = -1

T = TypeVar("T")
_KINDS: dict[type[Any], str] = {list: "a list", str: "text", int: "a whole number"}


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions with their contexts, and every answer that was refused.

    Attributes:
        examples: Each has the fields ``question``, ``context``, ``article``, ``answers`` (texts) and ``starts``
            (characters in the context; UNLOCATED for an answer that is not at its offset). The cluster is the
            paragraph's running number, the same in every language of a parallel set.
        problems: Refused answers; the line is the question's running number.
    """

    examples: list[Example]
    problems: list[Problem]


def read_squad(path: Path, ids: str = "") -> Questions:
    """Read a file of the layout ``data[].paragraphs[].{context, qas[]}``.

    Args:
        path: JSON file, plain or gz. Its offsets count Unicode characters.
        ids: Beginning of the ids to read, for a file that holds several sets.

    Returns:
        The questions.

    Raises:
        DataError: If the file has another layout, or an id twice.
    """
    rows = [row for row in _rows(read_json(path), str(path)) if row["id"].startswith(ids)]
    return locate_answers(rows, str(path))


def locate_answers(rows: Iterable[dict[str, Any]], where: str) -> Questions:
    """Check each answer against its context.

    Args:
        rows: Rows with the fields of the Hub's SQuAD and XQuAD.
        where: Name of the file or data set, for messages.

    Returns:
        The questions.

    Raises:
        DataError: If an id occurs twice.
    """
    examples: list[Example] = []
    problems: list[Problem] = []
    paragraph, context = -1, None
    for number, row in enumerate(rows, start=1):
        if row["context"] != context:
            paragraph, context = paragraph + 1, row["context"]
        answers, starts = row["answers"]["text"], []
        for text, start in zip(answers, row["answers"]["answer_start"], strict=True):
            located = (
                bool(text) and start >= 0 and row["context"][start : start + len(text)] == text
            )
            starts.append(start if located else UNLOCATED)
            if not located:
                reason = f"question {row['id']}: {quote(text)} is not at character {start} of its context"
                problems.append(Problem(where, number, "answer-offset", reason))
        fields = {
            "question": row["question"],
            "context": row["context"],
            "article": row.get("title", ""),
            "answers": list(answers),
            "starts": starts,
        }
        examples.append(Example(row["id"], str(paragraph), fields))
    refuse_duplicates(examples, where)
    return Questions(examples, problems)


def _rows(content: Any, where: str) -> Iterator[dict[str, Any]]:
    count = 0
    for number, article in enumerate(_field(content, "data", list, where), start=1):
        place = f"{where}: article {number}"
        title = article.get("title") if isinstance(article, dict) else None
        for paragraph in _field(article, "paragraphs", list, place):
            context = _field(paragraph, "context", str, place)
            for question in _field(paragraph, "qas", list, place):
                count += 1
                place = f"{where}: question {count}"
                answers = _field(question, "answers", list, place)
                yield {
                    "id": _field(question, "id", str, place),
                    "title": title if isinstance(title, str) else str(number - 1),
                    "context": context,
                    "question": _field(question, "question", str, place),
                    "answers": {
                        "text": [_field(answer, "text", str, place) for answer in answers],
                        "answer_start": [
                            _field(answer, "answer_start", int, place) for answer in answers
                        ],
                    },
                }


def _field(value: Any, name: str, kind: type[T], place: str) -> T:
    """Return a field of a JSON object; raise DataError if it is missing or has another type."""
    field = value.get(name) if isinstance(value, dict) else None
    # JSON's true is not a number, but Python's is.
    if not isinstance(field, kind) or isinstance(field, bool):
        raise DataError(
            f"{place} is not in the SQuAD v1.1 layout: no {name} that is {_KINDS[kind]}",
            "expected: data[].paragraphs[].{context,qas[].{id,question,answers[].{text,answer_start}}}",
        )
    return field
