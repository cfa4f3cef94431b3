"""Named entities of WikiANN (PAN-X), learnt in English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from otx.types import Example, Score
from otx_tasks.files import in_folders
from otx_tasks.tagging import NER
from otx_tasks.tagging.iob2 import OUTSIDE, entities
from otx_tasks.tagging.tagged_files import Tagged
from otx_tasks.tagging.tagger import TaggingTask

LANGUAGES = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw "
    "ta te th tl tr ur vi yo zh"
)
"""XTREME's forty languages."""
HUB_NAMES = {code: f"PAN-X.{code}" for code in LANGUAGES.split()}


class NerTask(TaggingTask):
    """Named-entity recognition, XTREME's panx.

    The score is CoNLL's F1 over whole entities, whose type and both ends must be right.

    Args:
        options: Options of the task.

    References:
        Pan et al. (2017), "Cross-lingual Name Tagging and Linking for 282 Languages".
        https://aclanthology.org/P17-1178
    """

    info = NER
    tags = (OUTSIDE, *(f"{prefix}-{kind}" for kind in ("PER", "ORG", "LOC") for prefix in "BI"))
    fallback = OUTSIDE
    folders = ("panx", "ner/panx", "ner", "panx_dataset")
    train_folders = folders
    train_names = ("train-{0}.tsv", "{0}/train")
    hub_names = HUB_NAMES
    hub_column = "ner_tags"

    def find_test_files(self, folder: Path, split: str) -> Mapping[str, Path]:
        """Find XTREME's names, or WikiANN's own: a folder per language with ``test``."""
        places = [folder / name for name in ("", *self.folders)]
        return super().find_test_files(folder, split) or in_folders(places, split)

    def read_file(self, path: Path) -> list[Tagged]:
        """Read a file; WikiANN's own prefix of words, ``de:Lindau``, is removed."""
        sentences, prefix = super().read_file(path), f"{path.parent.name}:"
        if not all(word.startswith(prefix) for one in sentences for word in one.words):
            return sentences
        return [
            replace(one, words=tuple(word.removeprefix(prefix) for word in one.words))
            for one in sentences
        ]

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the numbers of ``right``, ``found`` and ``gold`` entities, and ``cut``."""
        predicted, gold = entities(prediction["tags"]), entities(example.fields["tags"])
        counts = {
            "right": float(len(predicted & gold)),
            "found": float(len(predicted)),
            "gold": float(len(gold)),
            "cut": float(prediction["cut"]),
        }
        return Score(example.id, example.cluster, counts)
