"""Align ``mini`` with transformers and POT, as a researcher's script does: the pairs' transport one after the other.

    python -m benchmarks.peers.plain_pot_alignment MODEL PREFIX PAIRS_PER_UPDATE UPDATES_PER_TURN EPSILON

Like otx's default: the last sub-words of words, cosine cost, entropic transport, and a tenth of the squared distance of
the English words from the initial encoder. A peer of ``benchmarks.align_cpu``, which starts it.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ot
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import AutoModel, AutoTokenizer

from benchmarks.turns import finished


def word_vectors(model: Any, encoded: Any) -> list[Tensor]:
    """Return the vector of each word's last sub-word, text by text.

    Args:
        model: The encoder.
        encoded: A batch of the tokenizer.
    """
    states = model(**encoded).last_hidden_state
    vectors = []
    for row in range(len(states)):
        words = encoded.word_ids(row)
        last = {word: place for place, word in enumerate(words) if word is not None}
        vectors.append(states[row, list(last.values())])
    return vectors


def transport_cost(x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """Return the entropic transport cost between the words of two texts.

    Args:
        x: Vectors of one text ``[N, D]``.
        y: Vectors of the other ``[M, D]``.
        epsilon: The regularisation.
    """
    unit_x, unit_y = (torch.nn.functional.normalize(part, dim=1) for part in (x, y))
    cost = 1 - unit_x @ unit_y.T
    a, b = (torch.full((len(part),), 1 / len(part)) for part in (x, y))
    value: Tensor = ot.sinkhorn2(a, b, cost, epsilon)
    return value


def main() -> None:
    """Train until the process is ended."""
    folder, prefix = sys.argv[1:3]
    size, updates, epsilon = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32)
    initial = copy.deepcopy(model).eval().requires_grad_(False)
    model.train()
    sides = [
        Path(f"{prefix}.{code}").read_text(encoding="utf-8").splitlines() for code in ("en", "de")
    ]
    pairs = list(zip(*sides, strict=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)

    def batch(pairs: Sequence[tuple[str, str]]) -> list[Any]:
        return [
            tokenizer(
                list(side), padding=True, truncation=True, max_length=128, return_tensors="pt"
            )
            for side in zip(*pairs, strict=True)
        ]

    finished({})
    done, began = 0, time.perf_counter()
    while True:
        for english, other in DataLoader(
            pairs, size, shuffle=True, collate_fn=batch, drop_last=True
        ):  # type: ignore[arg-type]
            x, y = word_vectors(model, english), word_vectors(model, other)
            with torch.no_grad():
                x0 = word_vectors(initial, english)
            values = [transport_cost(*sides, epsilon) for sides in zip(x, y, strict=True)]
            moved = (torch.cat(x) - torch.cat(x0)).square().sum(1).mean()
            loss = torch.stack(values).mean() + 0.1 * moved
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            done += 1
            if done % updates == 0:
                seconds = time.perf_counter() - began
                finished({"pairs": updates * size, "updates": updates, "seconds": seconds})
                began = time.perf_counter()


if __name__ == "__main__":
    main()
