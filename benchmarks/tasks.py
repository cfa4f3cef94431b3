"""How many examples a second each fine-tuned task predicts, beside plain transformers with the same model.

    otx eval xnli xquad pos ner --run NAME --data DATA ...
    python -m benchmarks.tasks runs/NAME DATA [--limit 300] [--repeats 3] [--languages de zh]

From texts to predictions, tokenising included, in one process, turn by turn; medians. The plain side is float32, as the
documentation writes it, at the best of batches of 1, 8 and 32, which are tried first; otx is in float32 and, as with
`--dtype bf16`, in bfloat16. "equal" is the share of predictions that are the plain side's, then the share of bfloat16's
that are float32's. Sentence vectors are those of `retrieval`, by the run's own encoder.
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
BATCHES = (1, 8, 32)
VECTORS = "retrieval"
TRIED = 48
"""Examples on which the batch of the plain side is chosen."""


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what came of it."""
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


@dataclass(slots=True)
class Compared:
    """Median seconds of ours in float32 and in bfloat16, of the plain side, its batch, and what each made."""

    times: tuple[float, float, float]
    batch: int
    made: tuple[Any, Any, Any]


def compared(
    ours: Sequence[Callable[[Any], Any]],
    plain: Callable[[int], Callable[[Any], Any]],
    examples: Sequence[Any],
    repeats: int,
) -> Compared:
    """Time ``ours`` (float32, bfloat16) and the plain side at its best batch, in turns."""
    few = examples[:TRIED]
    sizes = {batch: plain(batch) for batch in BATCHES}
    for work in (*ours, *sizes.values()):
        work(few[:8])
    batch = min(BATCHES, key=lambda size: seconds(lambda: sizes[size](few))[0])
    sides = (*ours, sizes[batch])
    taken = [[seconds(partial(work, examples)) for work in sides] for _ in range(repeats)]
    one, two, three = (statistics.median(turn[i][0] for turn in taken) for i in range(3))
    return Compared((one, two, three), batch, tuple(made for _, made in taken[-1]))


def of_task(name: str, folder: Path, args: argparse.Namespace) -> str:
    """A row of the table."""
    settings = load_settings(sets=[f'{name}.data="{args.data}"'])
    plugins = host(settings)
    entry = plugins.registry.find("task", name)
    task = entry.load()(entry.read_options(settings))
    encoder = open_encoder(f"huggingface:{folder}", plugins.registry, settings)
    head = task.carried(encoder.carried_head(task.head_kind))

    def ours(precision: torch.dtype | None) -> Callable[[Any], list[str]]:
        run = predictor(task, encoder, head, precision)
        return lambda some: [task.write_line(answer) for _, answer in run(some)]

    there = task.languages()
    languages = [language for language in args.languages if language in there] or there
    examples: list[Example] = []
    for language in languages:
        examples += [
            Example(f"{language}:{own.id}", own.cluster, own.fields)
            for own in task.examples(language)[: args.limit]
        ]
    found = compared(
        [ours(None), ours(torch.bfloat16)],
        lambda size: PEERS[name](folder, size, task.options),
        examples,
        args.repeats,
    )
    own, low, plain = found.made
    is_text = isinstance(plain[0], str)
    same = _equal(own, [" ".join(answer.split()) for answer in plain]) if is_text else "-"
    return _row(name, languages, len(examples), found, same, _equal(own, low))


def of_vectors(folder: Path, args: argparse.Namespace) -> str:
    """The row of sentence vectors."""
    settings = load_settings(sets=[f'retrieval.data="{args.data}"'])
    plugins = host(settings)
    entry = plugins.registry.find("task", "retrieval")
    task = entry.load()(entry.read_options(settings))
    encoder = open_encoder(f"huggingface:{folder}", plugins.registry, settings)
    languages = [language for language in args.languages if language in task.languages()]
    texts = [example.fields["source"] for own in languages for example in task.examples(own)]

    def ours(precision: torch.dtype | None) -> Callable[[Any], torch.Tensor]:
        def vectors(some: Sequence[str]) -> torch.Tensor:
            with reading(encoder), torch.autocast("cpu", precision, enabled=precision is not None):
                return sentence_vectors(encoder, encoder.tokenise(some), -1, task.options.batch)

        return vectors

    found = compared(
        [ours(None), ours(torch.bfloat16)],
        lambda size: mean_pooling(folder, size, None),
        texts,
        args.repeats,
    )
    return _row("retrieval", languages, len(texts), found, "-", "-")


def _equal(one: Sequence[str], other: Sequence[str]) -> str:
    return f"{statistics.mean(a == b for a, b in zip(one, other, strict=True)):.1%}"


def _row(
    name: str, languages: Sequence[str], count: int, found: Compared, same: str, low: str
) -> str:
    own, bf16, plain = found.times
    cells = [
        name, " ".join(languages), f"{count:,}", f"{count / plain:.0f}", str(found.batch),
        f"{count / own:.0f}", f"{plain / own:.1f}", same,
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
            print(f"{name}: nothing fitted in {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
