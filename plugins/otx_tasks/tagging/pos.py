"""Universal part-of-speech tags, learnt on English treebanks."""

from __future__ import annotations

from collections import Counter
from typing import Any

from otx.types import Example, Score
from otx_tasks import infos
from otx_tasks.tagging.tagger import TaggingTask

OPEN = ("ADJ", "ADV", "INTJ", "NOUN", "PROPN", "VERB")
CLOSED = ("ADP", "AUX", "CCONJ", "DET", "NUM", "PART", "PRON", "SCONJ", "PUNCT", "SYM", "X")
TREEBANKS = {
    "af": "Afrikaans", "ar": "Arabic", "bg": "Bulgarian", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian",
    "id": "Indonesian", "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ko": "Korean",
    "mr": "Marathi", "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "ta": "Tamil",
    "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "ur": "Urdu",
    "vi": "Vietnamese", "yo": "Yoruba", "zh": "Chinese",
}  # fmt: skip
"""XTREME's languages by the names that it has for them."""
HUB_NAMES = {code: f"udpos.{name}" for code, name in TREEBANKS.items()}


class PosTask(TaggingTask):
    """UPOS accuracy over the words of Universal Dependencies' test sets, as XTREME's udpos."""

    info = infos.POS
    tags = (*OPEN, *CLOSED)
    fallback = "X"
    folders = ("ud-pud", "pos/ud-pud", "udpos", "pos")
    train_folders = ("udpos-en", "pos/udpos-en", "udpos", "pos")
    hub_names = HUB_NAMES
    hub_column = "pos_tags"
    floor_names = ("majority",)

    def score(self, prediction: Any, example: Example) -> Score:
        """``correct`` words of ``n``, and ``cut``."""
        pairs = zip(prediction["tags"], example.fields["tags"], strict=True)
        counts = {
            "correct": float(sum(found == gold for found, gold in pairs)),
            "n": float(len(example.fields["tags"])),
            "cut": float(prediction["cut"]),
        }
        return Score(example.id, example.cluster, counts)

    def floors(self, language: str) -> dict[str, list[Score]]:
        """``majority``: the tag that is most frequent in this test set, for every word."""
        examples = self.examples(language)
        counts = Counter(tag for example in examples for tag in example.fields["tags"])
        guess = max(self.tags, key=lambda tag: counts[tag])
        return {
            "majority": [
                self.score({"tags": [guess] * len(e.fields["tags"]), "cut": 0}, e) for e in examples
            ]
        }
