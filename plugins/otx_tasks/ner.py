"""Named entities of WikiANN (PAN-X), learnt in English."""

from __future__ import annotations

from typing import Any

from otx.types import Example, Score
from otx_tasks import infos
from otx_tasks.entities import OUTSIDE, entities
from otx_tasks.tagging import TaggingTask

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
    folders = ("panx", "ner/panx", "ner")
    train_folders = folders
    hub_names = HUB_NAMES
    hub_column = "ner_tags"

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
