"""Questions in the SQuAD v1.1 layout: JSON files, or rows of the Hub's parquet copies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files.reading import read_text
from otx.types import Example, Problem
from otx_tasks.files import refuse_duplicates

UNLOCATED = -1


@dataclass(frozen=True, slots=True)
class Questions:
    """Examples and every answer that was refused.

    Fields of an example: ``question``, ``context``, ``article``, ``answers`` (texts) and ``starts`` (characters in
    the context, UNLOCATED where the answer is not there). The cluster is the paragraph's running number, which is
    the same in every language of a parallel set. The line of a problem is the question's running number.
    """

    examples: list[Example]
    problems: list[Problem]


def read_squad(path: Path, ids: str = "") -> Questions:
    """Read ``data[].paragraphs[].{context, qas[]}``; offsets count Unicode characters.

    Of a file that holds several sets, the questions whose id begins with ``ids``.

    Raises DataError for what is not such a file, and for duplicate ids.
    """
    try:
        content = json.loads(read_text(path))
        rows = [row for row in _rows(content["data"]) if str(row["id"]).startswith(ids)]
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not in the SQuAD v1.1 layout: {error!r}",
            "wanted: data[].paragraphs[].{context,qas[].{id,question,answers[].{text,answer_start}}}",
        ) from error
    return locate_answers(rows, str(path))


def locate_answers(rows: Iterable[dict[str, Any]], where: str) -> Questions:
    """Check each answer against its context; rows have the fields of the Hub's SQuAD and XQuAD."""
    examples: list[Example] = []
    problems: list[Problem] = []
    paragraph, context = -1, None
    for number, row in enumerate(rows, start=1):
        if row["context"] != context:
            paragraph, context = paragraph + 1, row["context"]
        answers, starts = row["answers"]["text"], []
        for text, start in zip(answers, row["answers"]["answer_start"], strict=True):
            there = bool(text) and start >= 0 and row["context"][start : start + len(text)] == text
            starts.append(start if there else UNLOCATED)
            if not there:
                reason = (
                    f"question {row['id']}: {text!r} is not at character {start} of its context"
                )
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


def _rows(articles: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, article in enumerate(articles):
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = question["answers"]
                yield {
                    "id": question["id"],
                    "title": article.get("title", str(number)),
                    "context": paragraph["context"],
                    "question": question["question"],
                    "answers": {
                        "text": [answer["text"] for answer in answers],
                        "answer_start": [answer["answer_start"] for answer in answers],
                    },
                }
