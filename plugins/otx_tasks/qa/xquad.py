"""XQuAD: span extraction learnt on English SQuAD v1.1, answered in each language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from otx_tasks.files import plain_name
from otx_tasks.hub import parquet_rows
from otx_tasks.qa import XQUAD
from otx_tasks.qa.span_task import SpanTask
from otx_tasks.qa.squad import Questions, locate_answers

HUB_LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
HUB_TEST = "google/xquad"
TEST_FOLDERS = ("", "xquad", "qa/xquad")


class XquadTask(SpanTask):
    """XQuAD, scored by the rules of SQuAD v1.1.

    Args:
        options: Options of the task.

    References:
        Artetxe et al. (2020), "On the Cross-lingual Transferability of Monolingual Representations".
        https://arxiv.org/abs/1910.11856
    """

    info = XQUAD
    data_remedy = "give the folder of xquad.XX.json (or .json.gz) with --data"

    def hub_languages(self) -> Sequence[str]:
        """Return XQuAD's twelve languages."""
        return HUB_LANGUAGES

    def read_hub_test(self, language: str) -> Questions:
        """Read the test questions of a language from the Hub."""
        rows = parquet_rows(HUB_TEST, f"xquad.{language}", "validation", self.data_remedy)
        return locate_answers(rows, f"{HUB_TEST} xquad.{language}")

    def file_name(self, language: str, split: str) -> str:
        """Return ``xquad.XX.json``."""
        return f"xquad.{language}.json"

    def find_test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """Find ``xquad.XX.json`` in the folder, in ``xquad/`` or in ``qa/xquad/``."""
        paths = [p for name in TEST_FOLDERS for p in sorted((folder / name).glob("xquad.*.json*"))]
        return {plain_name(path).split(".")[1]: path for path in reversed(paths)}
