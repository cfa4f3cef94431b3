"""Flags and arguments that several commands share, each declared once as an annotated type.

A command names the type and adds its default: ``def show(run: RunName, sets: Sets = None, json: Json = False)``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from otx.cli.completion import objectives, runs, tasks

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Set any key of otx.toml; repeat the flag for more.",
    ),
]
"""``--set``: settings by dotted key."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
"""``--json``."""

Device = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="Where to compute: auto, cpu, cuda or cuda:N."),
]
"""``--device``: sets ``runtime.device``."""

Dtype = Annotated[
    str | None,
    typer.Option("--dtype", metavar="TYPE", help="Precision: auto, fp32 or bf16 (autocast)."),
]
"""``--dtype``: sets ``runtime.dtype``."""

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Encoder: mini, another name of otx list encoders, a Hugging Face folder or a Hub id.",
    ),
]
"""``--model``: an encoder that belongs to no run."""

Run = Annotated[
    str | None,
    typer.Option("--run", metavar="NAME", help="Run whose encoder is used.", autocompletion=runs),
]
"""``--run``: one existing run."""

Runs = Annotated[
    list[str] | None,
    typer.Option(
        "--run",
        metavar="NAME",
        help="Run, with its baseline model; repeat the flag for more.",
        autocompletion=runs,
    ),
]
"""``--run``: any number of existing runs."""

RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name of a run.", autocompletion=runs)]
"""An existing run, as an argument."""

RunNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN", help="Names of runs.", autocompletion=runs),
]
"""Any number of existing runs, as arguments."""

Task = Annotated[str, typer.Argument(metavar="TASK", help="Name of a task.", autocompletion=tasks)]
"""One task, as an argument."""

Tasks = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK",
        help="Names of tasks, or of suites (xtreme, paper, probes).",
        autocompletion=tasks,
    ),
]
"""One or several tasks or suites, as arguments."""

Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        metavar="WEIGHT*NAME",
        help='Objective, with an optional weight: sinkhorn, "0.5*tlm"; repeat the flag for more.',
        autocompletion=objectives,
    ),
]
"""``--objective``: the terms of what is minimised."""

Corpora = Annotated[
    list[str] | None,
    typer.Option(
        "--corpus",
        metavar="CORPUS",
        help="Prefix of two line-aligned files (path/en-de), or a registered name (sample); "
        "repeat the flag for more.",
    ),
]
"""``--corpus``: any number of corpora."""

Corpus = Annotated[
    str,
    typer.Argument(
        metavar="CORPUS",
        help="Prefix of two line-aligned files (path/en-de), or a registered name (sample).",
    ),
]
"""One corpus, as an argument."""

BatchTokens = Annotated[
    int | None,
    typer.Option(
        "--batch-tokens",
        metavar="N",
        help="Maximum number of sub-words, of both sides together, in a micro-batch.",
    ),
]
"""``--batch-tokens``: sets ``data.batch_tokens``."""

Layer = Annotated[
    int | None,
    typer.Option("--layer", metavar="N", help="Hidden layer; -1 is the last."),
]
"""``--layer``: sets ``encoder.layer``."""

IndexBase = Annotated[
    int | None,
    typer.Option("--index-base", metavar="N", help="First word index in gold word links: 0 or 1."),
]
"""``--index-base``: the first index of gold word links."""


def example(*lines: str) -> str:
    r"""Return the epilogue that ends a command's help.

    Args:
        lines: Commands, each of which runs as it is written.

    Returns:
        Text for ``epilog=`` of a typer command; the leading ``\b`` keeps its line breaks.

    Example:
        >>> print(example("otx show first").replace("\b", "<keep>"))
        <keep>
        Example:
          otx show first
    """
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])
