"""MLQA: span extraction learnt on English SQuAD v1.1, question and context in one language."""

from __future__ import annotations

import re
from pathlib import Path

from otx.types import Example
from otx_tasks import infos
from otx_tasks.files import plain_name
from otx_tasks.hub import HUB_SPLITS, XTREME, parquet_rows
from otx_tasks.options import MlqaOptions
from otx_tasks.qa.answer_scoring import Normalise
from otx_tasks.qa.mlqa_scoring import normaliser
from otx_tasks.qa.span_task import SpanTask
from otx_tasks.qa.squad import Questions, locate_answers

HUB_LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
TEST_FOLDERS = (
    "", "mlqa", "qa/mlqa", "MLQA_V1/{split}", "mlqa/MLQA_V1/{split}", "mlqa-{split}", "qa/mlqa-{split}",
)  # fmt: skip


class MlqaTask(SpanTask):
    """Lewis et al. 2020, scored by MLQA's own rules, which know each language's articles.

    The sets are parallel in part: a question has the same id in every language that has it, and belongs to the
    paragraph that English, which has them all, puts it in; without the English file it is a cluster of its own.
    """

    info = infos.MLQA
    options: MlqaOptions
    splits = ("test", "dev")
    wanted = "give the folder of test-context-XX-question-XX.json (or .json.gz) with --data"

    def __init__(self, options: MlqaOptions) -> None:
        super().__init__(options)
        self._clustered: dict[str, list[Example]] = {}

    def examples(self, language: str) -> list[Example]:
        """The questions of a language, with its ``language`` among the fields, in the clusters of their paragraphs."""
        found = super().examples(language)
        if language not in self._clustered:
            paragraphs = {own.id: own.cluster for own in self._english()}
            self._clustered[language] = [
                Example(
                    own.id, paragraphs.get(own.id, own.id), {**own.fields, "language": language}
                )
                for own in found
            ]
        return self._clustered[language]

    def hub_languages(self) -> tuple[str, ...]:
        """MLQA's seven."""
        return HUB_LANGUAGES

    def hub_test(self, language: str) -> Questions:
        """The questions of a language out of XTREME's copy."""
        split = HUB_SPLITS[self.options.split or self.splits[0]]
        config = f"MLQA.{language}.{language}"
        return locate_answers(parquet_rows(XTREME, config, split, self.wanted), config)

    def file_name(self, language: str, split: str) -> str:
        """``test-context-XX-question-XX.json``."""
        return f"{split}-context-{language}-question-{language}.json"

    def test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """Files in which question and context are in one language."""
        name = re.compile(rf"{split}-context-(\w+)-question-(\w+)\.json")
        found: dict[str, Path] = {}
        for place in TEST_FOLDERS:
            for path in sorted((folder / place.format(split=split)).glob("*.json*")):
                match = name.fullmatch(plain_name(path))
                if match and match[1] == match[2]:
                    found.setdefault(match[1], path)
        return found

    def normaliser(self, language: str) -> Normalise:
        """MLQA v1's rules for the language."""
        return normaliser(language)

    def _english(self) -> list[Example]:
        return super().examples("en") if "en" in self.languages() else []
