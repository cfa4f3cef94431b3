"""`otx align`: draw an encoder's languages together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli.completion import objectives
from otx.cli.console import screen
from otx.cli.context import open_host, open_project
from otx.cli.progress import reporter
from otx.data.corpora import resolve_corpus
from otx.data.ledger import ledger_text
from otx.errors import UsageError
from otx.runs.ceilings import candidates_text
from otx.runs.gradient_shares import share_lines
from otx.runs.measures import measure_text

if TYPE_CHECKING:
    from otx.alignment.run_summary import RunSummary
    from otx.runs.folder import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("align")(align)


def align(
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help='NAME or "0.5*NAME"; again for a further term.', autocompletion=objectives
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="mini, a Hugging Face folder or a Hub id.")
    ] = None,
    corpus: Annotated[
        list[str] | None,
        typer.Option(
            help="Prefix of two line-aligned files (path/en-de), or sample; again for more."
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch of a corpus from the Hub.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Settings by name; see otx list recipes.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="What order and initial weights are drawn from.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps, instead of epochs.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the corpora.")] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Sub-words of both sides in a micro-batch.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    gold: Annotated[
        str | None,
        typer.Option(help="Gold word links for the guards (FILE.gold beside FILE.src-tgt)."),
    ] = None,
    index_base: Annotated[
        int | None, typer.Option(help="What gold word links count from: 0 or 1.")
    ] = None,
    links_direction: Annotated[
        list[str] | None,
        typer.Option(help="Direction of the word links in align.links (en-es); again for more."),
    ] = None,
    keep_best: Annotated[
        str | None,
        typer.Option(help="Keep the encoder that is best by retrieval or aer on pairs held out."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(help="Go on with an interrupted run, with the settings it began with."),
    ] = None,
    inexact: Annotated[
        bool,
        typer.Option(
            "--inexact", help="Resume with other versions, threads or device; run.json records it."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and write no run.")
    ] = False,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the run's record as JSON.")] = False,
) -> None:
    """Align an encoder on parallel sentences, with one or more objectives."""
    flags: dict[str, Any] = {
        "align.objective": objective,
        "encoder.model": model,
        "data.corpus": corpus,
        "hub.revision": revision,
        "align.seed": seed,
        "align.steps": steps,
        "align.epochs": epochs,
        "data.batch_tokens": batch_tokens,
        "optimizer.lr": lr,
        "diagnostics.gold": gold,
        "diagnostics.index_base": index_base,
        "align.links_direction": links_direction,
        "diagnostics.keep_best": keep_best,
        "runtime.device": device,
        "runtime.dtype": dtype,
    }
    if resume is not None:
        if dry_run:
            raise UsageError("--resume and --dry-run exclude one another", "leave one out")
        finished = _resumed(resume, flags, sets or [], [recipe, run], inexact)
    else:
        if inexact:
            raise UsageError("--inexact is for a resumed run", "give it with --resume NAME")
        if steps is not None and epochs is not None:
            raise UsageError("--steps and --epochs exclude one another", "give one of them")
        settings, host = open_project(flags, sets or [], recipe)
        for spec in settings.data.corpus:
            resolve_corpus(spec, host.registry)
        from otx.alignment import align as engine

        with reporter() as report:
            if dry_run:
                outline = engine.plan(settings, host, report)
            else:
                finished = engine.align(settings, host, report, name=run)
        if dry_run:
            return _show_outline(outline, json)
    _show_run(finished, json)


def _resumed(
    name: str, flags: dict[str, Any], sets: list[str], others: list[str | None], inexact: bool
) -> RunFolder:
    """Go on with a run. Raises UsageError where a flag would change what it was started with."""
    from pathlib import Path

    from otx.config.settings import load_settings, settings_from
    from otx.runs.folder import RunFolder

    device = flags["runtime.device"]
    given = [
        f"--{key.partition('.')[2].replace('_', '-')}"
        for key, value in flags.items()
        if value not in (None, []) and not (inexact and key == "runtime.device")
    ]
    changed = [text for text in sets if not text.startswith("runs.folder=")]
    if given or changed or any(others):
        raise UsageError(
            f"--resume takes the run's own settings, and {', '.join([*given, *changed]) or 'a flag'} "
            "would change them",
            "leave it out, or start a new run; --inexact allows another --device",
        )
    folder = Path(load_settings(sets=sets).runs.folder)
    run = RunFolder.open(folder, name)
    if run.record["status"] == "finished":
        raise UsageError(f"run {name} is finished", f"evaluate it: otx eval retrieval --run {name}")
    record = {**run.record["settings"], "runs": {"folder": str(folder)}}
    if device is not None:
        record["runtime"] = {**record["runtime"], "device": device}
    settings = settings_from(record, f"run {name}")
    host = open_host(settings)
    from otx.alignment import align as engine

    with reporter() as report:
        return engine.align(settings, host, report, resume=run, inexact=inexact)


def _show_outline(outline: RunSummary, json: bool) -> None:
    if json:
        return screen.json(dataclasses.asdict(outline))
    for corpus in outline.corpora:
        screen.result(
            f"{corpus['source']}-{corpus['pivot']}  {corpus['name']}: {ledger_text(corpus)}"
        )
    screen.result(
        f"{outline.steps:,} steps, {outline.parameters:,} parameters, "
        f"{outline.checkpoint_megabytes:.0f} MB a checkpoint; nothing was written"
    )


def _said(record: dict[str, Any]) -> list[str]:
    """Which encoder was kept, and what each of several terms had to say."""
    lines = []
    if record["best"] is not None:
        best = record["best"]
        candidates = record["diagnostics"]["select"]["candidates"]
        among = f", {candidates_text(candidates)}" if best["metric"] == "retrieval" else ""
        lines.append(
            f"kept the encoder of step {best['step']:,}: {best['metric']} "
            f"{measure_text(best['metric'], best['value'])} "
            f"on the pairs chosen by{among}"
        )
    return [*lines, *share_lines(record["gradient_shares"], record["objectives"])]


def _show_run(run: RunFolder, json: bool) -> None:
    if json:
        return screen.json(run.record)
    from otx.cli.guards import guard_lines
    from otx.runs.footnotes import inexact_lines
    from otx.runs.losses import loss_text

    loss, steps = run.record["loss"], run.record["steps"]
    screen.result(loss_text(loss, steps))
    for line in guard_lines(run.record):
        screen.result(line)
    for line in _said(run.record):
        screen.result(line)
    for line in inexact_lines(run.record):
        screen.result(f"! not exact: {line}")
    for line in run.record["verdict"]:
        screen.result(f"! {line}")
    screen.result(f"run {run.name} lies in {run.path}")
