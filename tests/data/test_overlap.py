from __future__ import annotations

from typing import Any

import numpy as np

from otx.data.overlap import count_hits, sentence_hashes


def test_sentences_are_found_on_either_side_whatever_their_case(corpus: Any) -> None:
    corpora = [
        corpus([("Guten Tag!", "Good day!"), ("Danke.", "Thanks.")]),
        corpus([("¡Gracias!", "Thanks."), ("Sí", "Yes")], ("es", "en")),
    ]
    hashes = sentence_hashes(corpora)
    assert hashes.dtype == np.uint64
    assert len(hashes) == 7
    texts = ["good day", "GRACIAS", "Nein", "thanks", "thanks", "Good", ""]
    assert count_hits(texts, hashes) == 4
    assert count_hits(iter(texts), hashes) == 4
    assert count_hits([], hashes) == 0
    assert count_hits(texts, sentence_hashes([])) == 0
