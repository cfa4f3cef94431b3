"""Measure the examples per second that each fine-tuned task predicts, compared with plain transformers.

    otx eval xnli xquad pos ner --run NAME --data DATA ...
    python -m benchmarks.tasks runs/NAME DATA [--limit 300] [--repeats 3] [--languages de zh]

Both sides use the same model, from texts to predictions, tokenising included, in one process, in turns; times are
medians. The plain side is float32, as in the documentation, with the best of batches of 1, 8 and 32, which are tried
first; otx is in float32 and, as with `--dtype bf16`, in bfloat16. "equal" is the share of otx's predictions that equal
the plain side's, then the share of the bfloat16 predictions that equal the float32 ones. Sentence vectors are those of
`retrieval`, by the run's encoder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.plain_loops import class_pipeline, mean_pooling, span_loop, tag_pipeline
from otx.config.settings import load_settings
from otx.data.inference import reading, sentence_vectors
from otx.evaluation.finetune import predictor
from otx.plugin_host.host import host
from otx.training.factories import open_encoder
from otx.types import Example

PEERS: dict[str, Callable[..., Any]] = {
    "xnli": class_pipeline,
    "pos": tag_pipeline,
    "ner": tag_pipeline,
    "xquad": span_loop,
    "mlqa": span_loop,
    "tydiqa-goldp": span_loop,
}
"""The plain side of each task."""
BATCHES = (1, 8, 32)
"""Batch sizes of the plain side to try."""
VECTORS = "retrieval"
"""Name of the row of sentence vectors."""
TRIED = 48
"""Examples on which the batch of the plain side is chosen."""


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall time and the result of a call.

    Args:
        work: The call.
    """
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


@dataclass(slots=True)
class Compared:
    """The comparison of one task.

    Attributes:
        times: Median seconds of otx in float32, of otx in bfloat16, and of the plain side.
        batch: Batch size of the plain side.
        results: Predictions of the three.
    """

    times: tuple[float, float, float]
    batch: int
    results: tuple[Any, Any, Any]


def compared(
    ours: Sequence[Callable[[Any], Any]],
    plain: Callable[[int], Callable[[Any], Any]],
    examples: Sequence[Any],
    repeats: int,
) -> Compared:
    """Time otx and the plain side with its best batch size, in turns.

    Args:
        ours: otx in float32 and in bfloat16.
        plain: The plain side for a batch size.
        examples: Inputs.
        repeats: Number of turns.
    """
    few = examples[:TRIED]
    sizes = {batch: plain(batch) for batch in BATCHES}
    for work in (*ours, *sizes.values()):
        work(few[:8])
    batch = min(BATCHES, key=lambda size: seconds(lambda: sizes[size](few))[0])
    sides = (*ours, sizes[batch])
    taken = [[seconds(partial(work, examples)) for work in sides] for _ in range(repeats)]
    one, two, three = (statistics.median(turn[i][0] for turn in taken) for i in range(3))
    return Compared((one, two, three), batch, tuple(result for _, result in taken[-1]))


def of_task(name: str, folder: Path, args: argparse.Namespace) -> str:
    """Return the row of one fine-tuned task.

    Args:
        name: Name of the task.
        folder: Folder of its fine-tuned model.
        args: The command line.
    """
    settings = load_settings(sets=[f'{name}.data="{args.data}"'])
    plugins = host(settings)
    entry = plugins.registry.find("task", name)
    task = entry.load()(entry.read_options(settings))
    encoder = open_encoder(f"huggingface:{folder}", plugins.registry, settings)
    head = task.carried(encoder.carried_head(task.head_kind))

    def ours(precision: torch.dtype | None) -> Callable[[Any], list[str]]:
        run = predictor(task, encoder, head, precision)
        return lambda some: [task.write_line(answer) for _, answer in run(some)]

    available = task.languages()
    languages = [language for language in args.languages if language in available] or available
    examples: list[Example] = []
    for language in languages:
        examples += [
            Example(f"{language}:{example.id}", example.cluster, example.fields)
            for example in task.examples(language)[: args.limit]
        ]
    comparison = compared(
        [ours(None), ours(torch.bfloat16)],
        lambda size: PEERS[name](folder, size, task.options),
        examples,
        args.repeats,
    )
    full, half, plain = comparison.results
    is_text = isinstance(plain[0], str)
    same = _equal(full, [" ".join(answer.split()) for answer in plain]) if is_text else "-"
    return _row(name, languages, len(examples), comparison, same=same, low=_equal(full, half))


def of_vectors(folder: Path, args: argparse.Namespace) -> str:
    """Return the row of sentence vectors.

    Args:
        folder: Folder of the run's encoder.
        args: The command line.
    """
    settings = load_settings(sets=[f'retrieval.data="{args.data}"'])
    plugins = host(settings)
    entry = plugins.registry.find("task", "retrieval")
    task = entry.load()(entry.read_options(settings))
    encoder = open_encoder(f"huggingface:{folder}", plugins.registry, settings)
    languages = [language for language in args.languages if language in task.languages()]
    texts = [example.fields["source"] for code in languages for example in task.examples(code)]

    def ours(precision: torch.dtype | None) -> Callable[[Any], torch.Tensor]:
        def vectors(some: Sequence[str]) -> torch.Tensor:
            with reading(encoder), torch.autocast("cpu", precision, enabled=precision is not None):
                return sentence_vectors(encoder, encoder.tokenise(some), -1, task.options.batch)

        return vectors

    comparison = compared(
        [ours(None), ours(torch.bfloat16)],
        lambda size: mean_pooling(folder, size, None),
        texts,
        args.repeats,
    )
    return _row("retrieval", languages, len(texts), comparison, same="-", low="-")


def _equal(one: Sequence[str], other: Sequence[str]) -> str:
    return f"{statistics.mean(a == b for a, b in zip(one, other, strict=True)):.1%}"


def _row(
    name: str, languages: Sequence[str], count: int, comparison: Compared, *, same: str, low: str
) -> str:
    full, bf16, plain = comparison.times
    cells = [
        name, " ".join(languages), f"{count:,}", f"{count / plain:.0f}", str(comparison.batch),
        f"{count / full:.0f}", f"{plain / full:.1f}", same,
        f"{count / bf16:.0f}", f"{plain / bf16:.1f}", low,
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run on which tasks were fitted")
    parser.add_argument("data", type=Path)
    parser.add_argument("--tasks", nargs="+", default=[*PEERS, VECTORS])
    parser.add_argument("--languages", nargs="+", default=["de", "zh", "ar"])
    parser.add_argument("--limit", type=int, default=300, help="examples of each language")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    transformers.logging.disable_progress_bar()
    print(
        f"torch {torch.__version__}, transformers {transformers.__version__}, "
        f"{torch.get_num_threads()} threads of {os.cpu_count()} cores\n"
    )
    head = "task | languages | examples | plain /s | its batch | otx /s | ratio | equal"
    head += " | bf16 /s | ratio | equal"
    print(f"| {head} |\n|---|---|" + "---:|" * (head.count("|") - 1), flush=True)
    model = args.run / "model"
    for name in args.tasks:
        folder = args.run / "heads" / f"{name}-1"
        if name == VECTORS:
            print(of_vectors(model, args), flush=True)
        elif folder.is_dir():
            print(of_task(name, folder, args), flush=True)
        else:
            print(f"{name}: no fine-tuned model in {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
