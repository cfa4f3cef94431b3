"""Train all weights of an encoder for some steps with transformers and PyTorch's AdamW alone.

    python -m benchmarks.peers.plain_training MODEL SOURCE PIVOT PAIRS STEPS

The loss is the squared distance of the mean vectors of both sentences of a pair. A peer of ``benchmarks.large_model``,
which starts it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer


def sentence_vectors(model: Any, encoded: Any) -> Tensor:
    """Return the mean of the sub-words' vectors of each text ``[B, D]``.

    Args:
        model: The encoder.
        encoded: A batch of the tokenizer.
    """
    states = model(**encoded).last_hidden_state
    mask = encoded.attention_mask.unsqueeze(-1)
    vectors: Tensor = (states * mask).sum(1) / mask.sum(1)
    return vectors


def main() -> None:
    """Train."""
    folder, *texts = sys.argv[1:4]
    size, steps = map(int, sys.argv[4:6])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
    sides = [Path(text).read_text(encoding="utf-8").splitlines() for text in texts]
    for step in range(steps):
        batch = [
            tokenizer(
                side[step * size : (step + 1) * size],
                padding=True,
                truncation=True,
                max_length=128,
                return_tensors="pt",
            )
            for side in sides
        ]
        one, other = (sentence_vectors(model, encoded) for encoded in batch)
        optimizer.zero_grad()
        (one - other).square().mean().backward()
        optimizer.step()


if __name__ == "__main__":
    main()
