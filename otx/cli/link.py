"""`otx link`: write word links of a bitext."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from otx.cli.completion import runs
from otx.cli.console import screen
from otx.cli.context import open_project
from otx.cli.progress import reporter
from otx.data.corpora import resolve_corpus
from otx.data.ledger import kinds_text
from otx.errors import UsageError

WAYS = ("argmax", "itermax", "softmax", "entmax", "plan", "null")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("link")(link)


def link(
    corpus: Annotated[
        str, typer.Argument(help="Prefix of two line-aligned files (path/en-de) of one pair.")
    ],
    output: Annotated[str, typer.Option(help="File for the links, one line a sentence pair.")],
    run: Annotated[
        str | None, typer.Option(help="Use the encoder of this run.", autocompletion=runs)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Use this encoder as it is.")] = None,
    by: Annotated[str, typer.Option(help=f"How links are found: {', '.join(WAYS)}.")] = "argmax",
    threshold: Annotated[
        float | None,
        typer.Option(help="Probability both ways (softmax, entmax), share of the largest (plan)."),
    ] = None,
    epsilon: Annotated[float, typer.Option(help="Regularisation of the plan.")] = 0.1,
    probabilities: Annotated[
        str | None, typer.Option(help="File for how sure each link is, from 0 to 1.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Hidden layer (-1 = last).")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Sub-words of both sides at once.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
) -> None:
    """Write Pharaoh links (i-j, from 0), a line for each line of the corpus: otx link data/en-es --output links.

    i is a word of the language that the corpus's name puts first (en in data/en-es), and FILE.json states the
    direction. Words are the white-space tokens of pre-tokenised text (--set files.pretokenised=true), otherwise otx's
    own. Safe to interrupt: run the same command again to resume.
    """
    if (run is None) == (model is None):
        raise UsageError("give one of --run and --model", "--run NAME or --model mini")
    if by not in WAYS:
        raise UsageError(f"--by {by}: no such way", f"take one of {', '.join(WAYS)}")
    if threshold is not None and by in ("argmax", "itermax", "null"):
        raise UsageError(f"--threshold means nothing to {by}", "leave it out")
    if not epsilon > 0:
        raise UsageError(f"--epsilon is {epsilon:g}", "it must be above 0")
    flags: dict[str, Any] = {
        "encoder.layer": layer,
        "runtime.device": device,
        "data.batch_tokens": batch_tokens,
    }
    settings, host = open_project(flags, sets or [])
    resolve_corpus(corpus, host.registry)
    from pathlib import Path

    from otx.alignment.link import Outputs
    from otx.alignment.link import link as engine
    from otx.links.methods import MethodSettings
    from otx.runs.folder import RunFolder
    from otx.training.run_encoder import run_encoder_reference

    outputs = Outputs(Path(output), None if probabilities is None else Path(probabilities))
    way = MethodSettings(by, threshold, epsilon)  # type: ignore[arg-type]
    with reporter() as report:
        reference = model
        if run is not None:
            opened = RunFolder.open(Path(settings.runs.folder), run)
            reference = run_encoder_reference(opened, host.registry)
        linked = engine(settings, host, report, corpus, str(reference), way, outputs)
    ledger = linked.ledger
    if ledger.refused:
        screen.note(f"note: lines without links: {kinds_text(ledger.refused, 'refused')}")
    screen.result(
        f"Saved {linked.direction} links of {ledger.used:,} pairs in {linked.lines:,} lines to {output}, "
        f"their direction to {outputs.record}"
    )
