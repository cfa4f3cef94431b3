"""TyDi QA's gold passages: span extraction learnt and answered in languages asked about by those who speak them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from otx.errors import MissingDataError
from otx_tasks import infos
from otx_tasks.files import existing, folder_of, plain_name
from otx_tasks.hub import XTREME, parquet_rows
from otx_tasks.options import TydiqaOptions
from otx_tasks.qa.span_task import SpanTask
from otx_tasks.qa.squad import Questions, locate_answers, read_squad

HUB_NAMES = {
    "en": "english", "ar": "arabic", "bn": "bengali", "fi": "finnish", "id": "indonesian",
    "ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu",
}  # fmt: skip
"""The languages as TyDi QA calls them."""
FOLDERS = (
    "",
    "tydiqa",
    "tydiqa-goldp",
    "qa/tydiqa-goldp",
    *(
        f"{place}tydiqa-goldp-v1.1-{split}"
        for place in ("", "tydiqa/")
        for split in ("dev", "train")
    ),
)
ORIGINAL = "tydiqa-goldp-v1.1-{0}.json"
"""The file as it is distributed, with all languages."""


class TydiqaTask(SpanTask):
    """Clark et al. 2020, the secondary task, as XTREME has it: learnt on the English training questions.

    Scored by SQuAD v1.1 rules. Sets are not parallel: each paragraph is a cluster of its language alone.
    """

    info = infos.TYDIQA
    options: TydiqaOptions
    splits = ("dev", "train")
    wanted = "give the folder of tydiqa.goldp.XX.dev.json (or .json.gz) with --data"

    def hub_languages(self) -> tuple[str, ...]:
        """TyDi QA's nine; with ``split = "train"`` without the one that is trained on."""
        source = self.options.source if self.options.split == "train" else None
        return tuple(language for language in HUB_NAMES if language != source)

    def hub_test(self, language: str) -> Questions:
        """The questions of a language out of XTREME's copy, which has them all in one."""
        return self._of(language, "train" if self.options.split == "train" else "validation")

    def _of(self, language: str, split: str) -> Questions:
        rows = parquet_rows(XTREME, "tydiqa", split, self.wanted)
        own = (row for row in rows if row["id"].startswith(_ids(language)))
        return locate_answers(own, f"tydiqa {split}")

    def _read_test(self, language: str) -> Questions:
        path = self._split[1].get(language)
        if path is not None and plain_name(path) == ORIGINAL.format(self._split[0]):
            return read_squad(path, _ids(language))
        return super()._read_test(language)

    def file_name(self, language: str, split: str) -> str:
        """``tydiqa.goldp.XX.dev.json``."""
        return f"tydiqa.goldp.{language}.{split}.json"

    def test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """``tydiqa.goldp.XX.dev.json``, XTREME's, or the distributed file, which is every language's.

        With ``split = "train"`` the training files of all languages but the one that is trained on.
        """
        paths = [
            path
            for name in FOLDERS
            for path in sorted((folder / name).glob(f"tydiqa.goldp.*.{split}.json*"))
        ]
        found = {plain_name(path).split(".")[2]: path for path in reversed(paths)}
        whole = (existing(folder / name / ORIGINAL.format(split)) for name in FOLDERS)
        if not found and (path := next(filter(None, whole), None)):
            found = dict.fromkeys(HUB_NAMES, path)
        if split == "train":
            found.pop(self.options.source, None)
        return found

    @cached_property
    def _train(self) -> Questions:
        if self.options.train is not None:
            return read_squad(Path(self.options.train).expanduser())
        if self.options.data is None:
            return self._of(self.options.source, "train")
        folder = folder_of(self.options.data)
        own, whole = self.file_name(self.options.source, "train"), ORIGINAL.format("train")
        for name in FOLDERS:
            if path := existing(folder / name / own):
                return read_squad(path)
            if path := existing(folder / name / whole):
                return read_squad(path, _ids(self.options.source))
        raise MissingDataError(
            f"{folder}: no {own} and no {whole}", "give it with --train, or its folder with --data"
        )


def _ids(language: str) -> str:
    """How the ids of a language's questions begin where all languages are in one set."""
    return f"{HUB_NAMES[language]}-"
