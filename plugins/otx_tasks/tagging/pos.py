"""Universal part-of-speech tags, learnt on English treebanks."""

from __future__ import annotations

from collections import Counter
from typing import Any

from otx.types import Example, Score
from otx_tasks.tagging import POS
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
"""XTREME's names of its languages."""
HUB_NAMES = {code: f"udpos.{name}" for code, name in TREEBANKS.items()}


class PosTask(TaggingTask):
    """Part-of-speech tagging, XTREME's udpos: UPOS accuracy over the words of Universal Dependencies' test sets.

    Args:
        options: Options of the task.

    References:
        Nivre et al. (2020), "Universal Dependencies v2". https://arxiv.org/abs/2004.10643
    """

    info = POS
    tags = (*OPEN, *CLOSED)
    fallback = "X"
    folders = ("ud-pud", "pos/ud-pud", "udpos", "pos")
    train_folders = ("udpos-en", "pos/udpos-en", "udpos", "pos")
    hub_names = HUB_NAMES
    hub_column = "pos_tags"
    baseline_names = ("majority",)

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the number of ``correct`` words of ``n``, and ``cut``."""
        pairs = zip(prediction["tags"], example.fields["tags"], strict=True)
        counts = {
            "correct": float(sum(predicted == gold for predicted, gold in pairs)),
            "n": float(len(example.fields["tags"])),
            "cut": float(prediction["cut"]),
        }
        return Score(example.id, example.cluster, counts)

    def baselines(self, language: str) -> dict[str, list[Score]]:
        """Score ``majority``: the most frequent tag of this test set, for every word."""
        examples = self.examples(language)
        counts = Counter(tag for example in examples for tag in example.fields["tags"])
        guess = max(self.tags, key=lambda tag: counts[tag])
        return {
            "majority": [
                self.score({"tags": [guess] * len(e.fields["tags"]), "cut": 0}, e) for e in examples
            ]
        }
