"""Align ``mini`` with sentence-transformers' trainer and MultipleNegativesRankingLoss, as its documentation does.

    python -m benchmarks.peers.sentence_transformers_trainer MODEL PREFIX PAIRS_PER_UPDATE UPDATES_PER_TURN

https://sbert.net/docs/sentence_transformer/training_overview.html. A peer of ``benchmarks.align_cpu``, which starts it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback

from benchmarks.turns import finished


MAX_LENGTH = 128
"""Longest text in sub-words, as otx cuts them by default."""


class Turns(TrainerCallback):  # type: ignore[misc]
    """Ends a turn after some updates.

    Args:
        pairs: Pairs per update.
        updates: Updates per turn.
    """

    def __init__(self, pairs: int, updates: int) -> None:
        self._pairs, self._updates, self._done = pairs, updates, 0
        self._began = time.perf_counter()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Wait for the first turn."""
        self._end(0)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count an update."""
        self._done += 1
        if self._done % self._updates == 0:
            self._end(self._updates)

    def _end(self, updates: int) -> None:
        seconds = time.perf_counter() - self._began
        finished({"pairs": updates * self._pairs, "updates": updates, "seconds": seconds})
        self._began = time.perf_counter()


def main() -> None:
    """Train until the process is ended."""
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model_folder, prefix = sys.argv[1:3]
    pairs, updates = map(int, sys.argv[3:5])
    english, other = (
        Path(f"{prefix}.{language}").read_text(encoding="utf-8").splitlines()
        for language in ("en", "de")
    )
    train = Dataset.from_dict({"anchor": english, "positive": other})
    model = SentenceTransformer(model_folder, device="cpu", model_kwargs={"dtype": torch.float32})
    model.max_seq_length = MAX_LENGTH
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1000,
            per_device_train_batch_size=pairs,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=train,
            loss=MultipleNegativesRankingLoss(model),
            callbacks=[Turns(pairs, updates)],
        ).train()


if __name__ == "__main__":
    main()
