"""TyDi QA's gold passages: span extraction in typologically diverse languages, asked by their speakers."""

from __future__ import annotations

from pathlib import Path

from otx.errors import MissingDataError
from otx.files.reading import find_plain_or_gz
from otx_tasks.files import folder_of, plain_name
from otx_tasks.hub import XTREME, parquet_rows
from otx_tasks.qa import TYDIQA
from otx_tasks.qa.options import TydiqaOptions
from otx_tasks.qa.span_task import SpanTask
from otx_tasks.qa.squad import Questions, locate_answers, read_squad

HUB_NAMES = {
    "en": "english", "ar": "arabic", "bn": "bengali", "fi": "finnish", "id": "indonesian",
    "ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu",
}  # fmt: skip
"""TyDi QA's names of the languages."""
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
"""Name of the distributed file, which has all languages."""


class TydiqaTask(SpanTask):
    """TyDi QA's secondary task, as in XTREME: learnt on the English training questions.

    Answers are scored by the rules of SQuAD v1.1. The sets are not parallel: a cluster is a paragraph of one language.

    Args:
        options: Options of the task.

    References:
        Clark et al. (2020), "TyDi QA". https://arxiv.org/abs/2003.05002
    """

    info = TYDIQA
    options: TydiqaOptions
    splits = ("dev", "train")
    data_remedy = "give the folder of tydiqa.goldp.XX.dev.json (or .json.gz) with --data"

    def hub_languages(self) -> tuple[str, ...]:
        """Return TyDi QA's nine languages, without the source for ``split = "train"``."""
        source = self.options.source if self.options.split == "train" else None
        return tuple(language for language in HUB_NAMES if language != source)

    def read_hub_test(self, language: str) -> Questions:
        """Read the questions of a language from XTREME's copy of all languages."""
        return self._read_hub(language, "train" if self.options.split == "train" else "validation")

    def read_questions(self, language: str) -> Questions:
        """Read the questions of a language from its file, the distributed file or the Hub."""
        path = self.test_split.files.get(language)
        if path is not None and plain_name(path) == ORIGINAL.format(self.split_name):
            return read_squad(path, _id_prefix(language))
        return super().read_questions(language)

    def read_training_questions(self) -> Questions:
        """Read the training questions of the source language."""
        if self.options.train is not None:
            return read_squad(Path(self.options.train).expanduser())
        if self.options.data is None:
            return self._read_hub(self.options.source, "train")
        folder = folder_of(self.options.data)
        separate, whole = self.file_name(self.options.source, "train"), ORIGINAL.format("train")
        for name in FOLDERS:
            if path := find_plain_or_gz(folder / name / separate):
                return read_squad(path)
            if path := find_plain_or_gz(folder / name / whole):
                return read_squad(path, _id_prefix(self.options.source))
        raise MissingDataError(
            f"{folder}: no {separate} and no {whole}",
            "give it with --train, or its folder with --data",
        )

    def file_name(self, language: str, split: str) -> str:
        """Return ``tydiqa.goldp.XX.dev.json``."""
        return f"tydiqa.goldp.{language}.{split}.json"

    def find_test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """Find XTREME's ``tydiqa.goldp.XX.dev.json``, or the distributed file.

        With ``split = "train"`` the source language is left out.
        """
        paths = [
            path
            for name in FOLDERS
            for path in sorted((folder / name).glob(f"tydiqa.goldp.*.{split}.json*"))
        ]
        files = {plain_name(path).split(".")[2]: path for path in reversed(paths)}
        whole = (find_plain_or_gz(folder / name / ORIGINAL.format(split)) for name in FOLDERS)
        if not files and (path := next(filter(None, whole), None)):
            files = dict.fromkeys(HUB_NAMES, path)
        if split == "train":
            files.pop(self.options.source, None)
        return files

    def _read_hub(self, language: str, split: str) -> Questions:
        rows = parquet_rows(XTREME, "tydiqa", split, self.data_remedy)
        chosen = (row for row in rows if row["id"].startswith(_id_prefix(language)))
        return locate_answers(chosen, f"tydiqa {split}")


def _id_prefix(language: str) -> str:
    """Return the beginning of a language's ids in a set of all languages."""
    return f"{HUB_NAMES[language]}-"
