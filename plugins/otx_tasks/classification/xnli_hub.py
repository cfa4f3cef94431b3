"""XNLI's parquet copies on the Hub."""

from __future__ import annotations

from otx.errors import DataError
from otx_tasks.classification.nli_files import LABELS, NliRow
from otx_tasks.classification.xnli_folder import wanted_test, wanted_train
from otx_tasks.hub import HUB_SPLITS, parquet_rows

DATASET = "facebook/xnli"
LANGUAGES = (
    "ar",
    "bg",
    "de",
    "el",
    "en",
    "es",
    "fr",
    "hi",
    "ru",
    "sw",
    "th",
    "tr",
    "ur",
    "vi",
    "zh",
)


class XnliHub:
    """One split of XNLI in its 15 languages; its rows have no names of their own."""

    def __init__(self, split: str) -> None:
        self.split = split
        self._read: dict[str, list[NliRow]] = {}

    def languages(self) -> tuple[str, ...]:
        """XNLI's languages."""
        return LANGUAGES

    def rows(self, language: str) -> list[NliRow]:
        """All rows of a language, in order."""
        if language not in self._read:
            self._read[language] = _rows(language, HUB_SPLITS[self.split], wanted_test(self.split))
        return self._read[language]

    def names(self) -> None:
        """Neither pairIDs nor promptIDs are there."""


def train_rows(language: str) -> list[NliRow]:
    """The training rows of a language: MultiNLI's, or their machine translations."""
    return _rows(language, "train", wanted_train(language))


def _rows(language: str, split: str, wanted: str) -> list[NliRow]:
    """Labels are numbers there, in the order of LABELS."""
    found = []
    for number, row in enumerate(parquet_rows(DATASET, language, split, wanted), start=1):
        if not 0 <= row["label"] < len(LABELS):
            raise DataError(f"{DATASET} {language} {split}: row {number} has no label")
        found.append(NliRow(number, row["premise"], row["hypothesis"], LABELS[row["label"]]))
    return found
