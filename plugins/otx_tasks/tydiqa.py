"""TyDi QA's gold passages: span extraction learnt and answered in languages asked about by those who speak them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from otx.errors import DataError
from otx_tasks import infos
from otx_tasks.files import existing, folder_of, plain_name
from otx_tasks.span_task import SpanTask
from otx_tasks.squad import Questions, read_squad

FOLDERS = ("", "tydiqa", "tydiqa-goldp", "qa/tydiqa-goldp")
TRAIN = "tydiqa.goldp.{0}.train.json"


class TydiqaTask(SpanTask):
    """Clark et al. 2020, the secondary task, as XTREME has it: learnt on the English training questions.

    Scored by SQuAD v1.1 rules. Sets are not parallel: each paragraph is a cluster of its language alone.
    """

    info = infos.TYDIQA
    splits = ("dev", "train")
    wanted = "give the folder of tydiqa.goldp.XX.dev.json (or .json.gz) with --data"

    def file_name(self, language: str, split: str) -> str:
        """``tydiqa.goldp.XX.dev.json``."""
        return f"tydiqa.goldp.{language}.{split}.json"

    def test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """``tydiqa.goldp.XX.dev.json``; with ``split = "train"`` the training files of all languages but English."""
        paths = [
            path
            for name in FOLDERS
            for path in sorted((folder / name).glob(f"tydiqa.goldp.*.{split}.json*"))
        ]
        found = {plain_name(path).split(".")[2]: path for path in reversed(paths)}
        if split == "train":
            found.pop(self.options.source, None)
        return found

    @cached_property
    def _train(self) -> Questions:
        if self.options.train is not None:
            return read_squad(Path(self.options.train).expanduser())
        folder = folder_of(self.options.data or "")
        for name in FOLDERS:
            if path := existing(folder / name / TRAIN.format(self.options.source)):
                return read_squad(path)
        raise DataError(
            f"{folder}: no {TRAIN.format(self.options.source)}",
            "give it with --train, or its folder with --data",
        )
