"""`otx link`: write word links of a bitext."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from otx.cli.console import screen
from otx.cli.context import open_project
from otx.cli.flags import BatchTokens, Corpus, Device, Layer, Model, Run, Sets, example
from otx.cli.progress import reporter
from otx.data.corpora import resolve_corpus
from otx.data.ledger import kinds_text
from otx.errors import UsageError

METHODS = ("argmax", "itermax", "softmax", "entmax", "plan", "null")


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(
        "link",
        epilog=example("otx link data/en-es --model mini --output en-es.links"),
    )(link)


def link(
    corpus: Corpus,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="File for the links, one line per sentence pair.")
    ],
    run: Run = None,
    model: Model = None,
    method: Annotated[
        str,
        typer.Option(
            "--method", "--by", metavar="NAME", help=f"Extraction method: {', '.join(METHODS)}."
        ),
    ] = "argmax",
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Minimum probability in both directions (softmax, entmax), or share of the largest entry (plan).",
        ),
    ] = None,
    epsilon: Annotated[
        float, typer.Option(metavar="X", help="Regularisation strength of the plan.")
    ] = 0.1,
    probabilities: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File for the probability of each link, from 0 to 1."),
    ] = None,
    layer: Layer = None,
    device: Device = None,
    batch_tokens: BatchTokens = None,
    sets: Sets = None,
) -> None:
    """Write Pharaoh links (i-j, counted from 0), one line for each line of the corpus.

    i is a word of the language that the corpus's name puts first (en in data/en-es), and FILE.json states the
    direction. Words are the white-space tokens of pre-tokenised text (--set files.pretokenised=true), otherwise otx's
    own. Safe to interrupt: run the same command again to resume. Several processes that run it at once share the work.
    """
    if (run is None) == (model is None):
        raise UsageError("give one of --run and --model", "--run NAME or --model mini")
    if method not in METHODS:
        raise UsageError(f"--method {method}: no such method", f"use one of {', '.join(METHODS)}")
    if threshold is not None and method in ("argmax", "itermax", "null"):
        raise UsageError(f"--threshold has no effect on {method}", "leave it out")
    if not epsilon > 0:
        raise UsageError(f"--epsilon is {epsilon:g}", "it must be above 0")
    flags: dict[str, Any] = {
        "encoder.layer": layer,
        "runtime.device": device,
        "data.batch_tokens": batch_tokens,
    }
    settings, host = open_project(flags, sets or [])
    resolve_corpus(corpus, host.registry)
    from otx.alignment.link import link as engine
    from otx.alignment.link_parts import Outputs
    from otx.links.methods import MethodSettings
    from otx.runs.folder import RunFolder
    from otx.training.run_encoder import run_encoder_reference
    from otx.training.session import Session

    outputs = Outputs(Path(output), None if probabilities is None else Path(probabilities))
    with reporter() as report:
        reference = model
        if run is not None:
            opened = RunFolder.open(Path(settings.runs.folder), run)
            reference = run_encoder_reference(opened, host.registry)
        linked = engine(
            Session(settings, host, report),
            corpus,
            str(reference),
            method=MethodSettings(method, threshold, epsilon),  # type: ignore[arg-type]
            outputs=outputs,
        )
    ledger = linked.ledger
    if ledger.refused:
        screen.note(f"note: lines without links: {kinds_text(ledger.refused, 'refused')}")
    screen.result(
        f"Saved {linked.direction} links of {ledger.used:,} pairs in {linked.lines:,} lines to {output}, "
        f"their direction to {outputs.record}"
    )
