"""MLQA: span extraction learnt on English SQuAD v1.1, question and context in one language."""

from __future__ import annotations

import re
from pathlib import Path

from otx.types import Example
from otx_tasks.files import plain_name
from otx_tasks.hub import HUB_SPLITS, XTREME, parquet_rows
from otx_tasks.qa import MLQA
from otx_tasks.qa.answer_scoring import Normalise
from otx_tasks.qa.mlqa_scoring import normaliser
from otx_tasks.qa.options import MlqaOptions
from otx_tasks.qa.span_task import SpanTask
from otx_tasks.qa.squad import Questions, locate_answers

HUB_LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
TEST_FOLDERS = (
    "", "mlqa", "qa/mlqa", "MLQA_V1/{split}", "mlqa/MLQA_V1/{split}", "mlqa-{split}", "qa/mlqa-{split}",
)  # fmt: skip


class MlqaTask(SpanTask):
    """MLQA, scored by its own rules, which know the articles of each language.

    The sets are parallel in part: a question has the same id in every language that has it. English has them all, so
    a question's cluster is its paragraph in English; without the English file, every question is its own cluster.

    Args:
        options: Options of the task.

    References:
        Lewis et al. (2020), "MLQA". https://arxiv.org/abs/1910.07475
    """

    info = MLQA
    options: MlqaOptions
    splits = ("test", "dev")
    data_remedy = "give the folder of test-context-XX-question-XX.json (or .json.gz) with --data"

    def read_test(self, language: str) -> list[Example]:
        """Read the questions of a language, with its ``language`` among the fields."""
        questions = super().read_test(language)
        clusters = self._paragraphs(language, questions)
        return [
            Example(one.id, clusters.get(one.id, one.id), {**one.fields, "language": language})
            for one in questions
        ]

    def hub_languages(self) -> tuple[str, ...]:
        """Return MLQA's seven languages."""
        return HUB_LANGUAGES

    def read_hub_test(self, language: str) -> Questions:
        """Read the questions of a language from XTREME's copy."""
        config = f"MLQA.{language}.{language}"
        rows = parquet_rows(XTREME, config, HUB_SPLITS[self.split_name], self.data_remedy)
        return locate_answers(rows, config)

    def file_name(self, language: str, split: str) -> str:
        """Return ``test-context-XX-question-XX.json``."""
        return f"{split}-context-{language}-question-{language}.json"

    def find_test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """Find the files in which question and context are in one language."""
        name = re.compile(rf"{split}-context-(\w+)-question-(\w+)\.json")
        files: dict[str, Path] = {}
        for place in TEST_FOLDERS:
            for path in sorted((folder / place.format(split=split)).glob("*.json*")):
                match = name.fullmatch(plain_name(path))
                if match and match[1] == match[2]:
                    files.setdefault(match[1], path)
        return files

    def normaliser(self, language: str) -> Normalise:
        """Return MLQA v1's rules for a language."""
        return normaliser(language)

    def _paragraphs(self, language: str, questions: list[Example]) -> dict[str, str]:
        """Return the paragraph of each question that English has, by id."""
        if language == "en":
            return {one.id: one.cluster for one in questions}
        english = self.examples("en") if "en" in self.test_languages() else []
        return {one.id: one.cluster for one in english}
