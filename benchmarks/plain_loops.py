"""Predict as the documentation of transformers does: the peers of ``benchmarks.tasks``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.data import DataLoader
from transformers import AutoModel, AutoModelForQuestionAnswering, AutoTokenizer, pipeline

from otx.types import Example

N_BEST, LONGEST = 20, 30


def span_loop(folder: Path, batch: int, options: Any) -> Any:
    """Return the question answering of the Hugging Face course.

    Windows are padded to ``max_length``; the answer is the best of 20 starts and 20 ends.

    Args:
        folder: Folder of the fine-tuned model.
        batch: Number of windows per batch.
        options: Options of the task.

    Returns:
        A function from examples to answers.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()

    def answer(examples: Sequence[Example]) -> list[str]:
        encoded = tokenizer(
            [example.fields["question"] for example in examples],
            [example.fields["context"] for example in examples],
            max_length=min(options.max_length, tokenizer.model_max_length),
            truncation="only_second",
            stride=options.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding="max_length",
        )
        owner = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded.pop("offset_mapping")
        sequences = [encoded.sequence_ids(i) for i in range(len(owner))]
        rows = [
            {name: torch.tensor(values[i]) for name, values in encoded.items()}
            for i in range(len(owner))
        ]
        starts, ends = [], []
        with torch.no_grad():
            for rows_of_batch in DataLoader(rows, batch_size=batch):
                output = model(**rows_of_batch)
                starts.append(output.start_logits.numpy())
                ends.append(output.end_logits.numpy())
        start_rows = [row for block in starts for row in block]
        end_rows = [row for block in ends for row in block]
        best: list[tuple[float, str]] = [(-float("inf"), "")] * len(examples)
        for i, number in enumerate(owner):
            context = examples[number].fields["context"]
            for start in start_rows[i].argsort()[-1 : -N_BEST - 1 : -1].tolist():
                for end in end_rows[i].argsort()[-1 : -N_BEST - 1 : -1].tolist():
                    if sequences[i][start] != 1 or sequences[i][end] != 1:
                        continue
                    if end < start or end - start + 1 > LONGEST:
                        continue
                    score = float(start_rows[i][start] + end_rows[i][end])
                    if score > best[number][0]:
                        text = context[offsets[i][start][0] : offsets[i][end][1]]
                        best[number] = (score, text)
        return [text for _, text in best]

    return answer


def class_pipeline(folder: Path, batch: int, options: Any) -> Any:
    """Return the text-classification pipeline on pairs.

    Args:
        folder: Folder of the fine-tuned model.
        batch: Number of examples per batch.
        options: Options of the task.

    Returns:
        A function from examples to labels.
    """
    run = pipeline("text-classification", model=str(folder), device="cpu", batch_size=batch)

    def answer(examples: Sequence[Example]) -> list[str]:
        rows = [
            {"text": e.fields["premise"], "text_pair": e.fields["hypothesis"]} for e in examples
        ]
        results = run(rows, truncation="longest_first", max_length=options.max_length)
        return [row["label"] for row in results]

    return answer


def tag_pipeline(folder: Path, batch: int, options: Any) -> Any:
    """Return the token-classification pipeline.

    A word has the label of its first sub-word.

    Args:
        folder: Folder of the fine-tuned model.
        batch: Number of examples per batch.
        options: Options of the task.

    Returns:
        A function from examples to labels.
    """
    run = pipeline(
        "token-classification",
        model=str(folder),
        device="cpu",
        batch_size=batch,
        aggregation_strategy="first",
    )

    def answer(examples: Sequence[Example]) -> list[Any]:
        return list(run([" ".join(example.fields["words"]) for example in examples]))

    return answer


def mean_pooling(folder: Path, batch: int, options: Any) -> Any:
    """Return sentence vectors as model cards compute them.

    Batches are in the order of the texts; a vector is the mean of the real sub-words.

    Args:
        folder: Folder of the encoder.
        batch: Number of texts per batch.
        options: Not used.

    Returns:
        A function from texts to vectors.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    model = AutoModel.from_pretrained(folder).eval()
    transformers.logging.set_verbosity(level)

    def answer(texts: Sequence[str]) -> torch.Tensor:
        vectors = []
        with torch.no_grad():
            for start in range(0, len(texts), batch):
                block = list(texts[start : start + batch])
                encoded = tokenizer(block, padding=True, truncation=True, return_tensors="pt")
                states = model(**encoded).last_hidden_state
                mask = encoded["attention_mask"].unsqueeze(-1)
                vectors.append((states * mask).sum(1) / mask.sum(1))
        return torch.cat(vectors)

    return answer
