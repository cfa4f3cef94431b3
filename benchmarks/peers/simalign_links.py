"""Link sentence pairs with simalign, as its documentation says: one call per pair.

    python -m benchmarks.peers.simalign_links MODEL_FOLDER PAIRS LAYER

PAIRS is a JSON file of ``[[source, target], ...]``, tokens by space. Prints seconds without loading, and the links by
method, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from simalign import SentenceAligner


def main() -> None:
    """Link and print."""
    model, pairs, layer = sys.argv[1:]
    aligner = SentenceAligner(
        model=model, token_type="word", matching_methods="ai", layer=int(layer)
    )
    sentences = json.loads(Path(pairs).read_text())
    began = time.perf_counter()
    links = [
        aligner.get_word_aligns(source.split(), target.split()) for source, target in sentences
    ]
    seconds = time.perf_counter() - began
    by_method = {
        ours: [one[theirs] for one in links]
        for ours, theirs in (("argmax", "inter"), ("itermax", "itermax"))
    }
    print(json.dumps({"seconds": seconds, "links": by_method}))


if __name__ == "__main__":
    main()
