"""Named entities of WikiANN (PAN-X), learnt in English."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from otx.types import Example, Score
from otx_tasks import infos
from otx_tasks.files import in_folders
from otx_tasks.tagging.iob2 import OUTSIDE, entities
from otx_tasks.tagging.tagged_files import Tagged
from otx_tasks.tagging.tagger import TaggingTask

LANGUAGES = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw "
    "ta te th tl tr ur vi yo zh"
)
"""XTREME's forty."""
HUB_NAMES = {code: f"PAN-X.{code}" for code in LANGUAGES.split()}


class NerTask(TaggingTask):
    """F1 over whole entities, type and both ends right, as CoNLL counts them; XTREME's panx."""

    info = infos.NER
    tags = (OUTSIDE, *(f"{prefix}-{kind}" for kind in ("PER", "ORG", "LOC") for prefix in "BI"))
    fallback = OUTSIDE
    folders = ("panx", "ner/panx", "ner", "panx_dataset")
    train_folders = folders
    train_names = ("train-{0}.tsv", "{0}/train")
    hub_names = HUB_NAMES
    hub_column = "ner_tags"

    def _in(self, folder: Path, split: str) -> dict[str, Path]:
        """XTREME's names, or WikiANN's own: a folder a language with ``test``."""
        places = [folder / name for name in ("", *self.folders)]
        return super()._in(folder, split) or in_folders(places, split)

    def _read(self, path: Path) -> list[Tagged]:
        """WikiANN's own files write the language before every word, ``de:Lindau``: it is no part of it."""
        sentences, prefix = super()._read(path), f"{path.parent.name}:"
        if not all(word.startswith(prefix) for own in sentences for word in own.words):
            return sentences
        return [
            replace(own, words=tuple(word.removeprefix(prefix) for word in own.words))
            for own in sentences
        ]

    def score(self, prediction: Any, example: Example) -> Score:
        """``right``, ``found`` and ``gold`` entities, and ``cut``."""
        found, gold = entities(prediction["tags"]), entities(example.fields["tags"])
        counts = {
            "right": float(len(found & gold)),
            "found": float(len(found)),
            "gold": float(len(gold)),
            "cut": float(prediction["cut"]),
        }
        return Score(example.id, example.cluster, counts)
