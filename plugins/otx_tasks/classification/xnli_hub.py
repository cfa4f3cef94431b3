"""Read XNLI's parquet copies on the Hub."""

from __future__ import annotations

from otx.errors import DataError
from otx_tasks.classification.nli_files import LABELS, NliRow
from otx_tasks.classification.xnli_folder import test_remedy, train_remedy
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
    """One split of XNLI in its 15 languages; its rows have no ids.

    Args:
        split: Name of the split, ``test`` or ``dev``.
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self._read: dict[str, list[NliRow]] = {}

    def languages(self) -> tuple[str, ...]:
        """Return XNLI's languages."""
        return LANGUAGES

    def rows(self, language: str) -> list[NliRow]:
        """Return all rows of a language, in order.

        Args:
            language: The language.
        """
        if language not in self._read:
            self._read[language] = _rows(language, HUB_SPLITS[self.split], test_remedy(self.split))
        return self._read[language]

    def names(self) -> None:
        """Return None: the copies have neither pairIDs nor promptIDs."""


def train_rows(language: str) -> list[NliRow]:
    """Return the training rows of a language: MultiNLI's, or their translations.

    Args:
        language: One of XNLI's languages.

    Raises:
        DataError: If they cannot be downloaded.
    """
    return _rows(language, "train", train_remedy(language))


def _rows(language: str, split: str, remedy: str) -> list[NliRow]:
    """Return rows with their labels as text; on the Hub, labels are numbers in the order of LABELS."""
    rows = []
    for number, row in enumerate(parquet_rows(DATASET, language, split, remedy), start=1):
        if not 0 <= row["label"] < len(LABELS):
            raise DataError(f"{DATASET} {language} {split}: row {number} has no label")
        rows.append(NliRow(number, row["premise"], row["hypothesis"], LABELS[row["label"]]))
    return rows
