"""`otx corpus`: look at a bitext, and spoil one on purpose."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli.completion import tasks
from otx.cli.console import columns, screen
from otx.cli.context import open_project
from otx.cli.flags import example
from otx.data.corpora import resolve_corpus
from otx.data.ledger import kinds_text
from otx.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from otx.data.statistics import Side, Spread, Statistics
    from otx.interfaces import Corpus
    from otx.plugin_host.host import PluginHost

_CODE = re.compile("[a-z]{2,3}(?:[-_].*)?")

Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Any key of otx.toml: table.key=value.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command(
        "stats",
        short_help="Describe the lines and pairs of a bitext.",
        epilog=example("otx corpus stats data/en-de"),
    )(stats)
    group.command(
        "noise",
        short_help="Write a bitext with some wrong pairs.",
        epilog=example("otx corpus noise data/en-de --output wrong/en-de"),
    )(noise)
    app.add_typer(
        group,
        name="corpus",
        help="Describe a bitext, or write one with wrong pairs.",
        short_help="Describe a bitext, or add wrong pairs.",
        epilog=example("otx corpus stats data/en-de"),
    )


def stats(
    spec: Annotated[str, typer.Argument(help="A corpus, as --corpus of otx align takes it.")],
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Task whose sentences are looked for; without it, all with data at hand.",
            autocompletion=tasks,
        ),
    ] = None,
    sets: Sets = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Lines, lengths, ratios, repetitions, scripts, and what of it is tested on."""
    corpora, settings, host = _opened(spec, sets, any_share=True)
    from otx.data.overlap import count_hits, sentence_hashes
    from otx.data.statistics import describe

    found = []
    for corpus in corpora:
        own, hashes = describe(corpus), sentence_hashes([corpus])
        tested = _tested(host, settings, against, corpus.source_language, corpus.pivot_language)
        overlap = {name: (count_hits(texts, hashes), len(texts)) for name, texts in tested.items()}
        found.append(dataclasses.replace(own, overlap=overlap))
    if json:
        return screen.json([dataclasses.asdict(own) for own in found])
    screen.result("\n\n".join(columns(_rows(own)) for own in found))


def noise(
    spec: Annotated[str, typer.Argument(help="A corpus of one language pair.")],
    output: Annotated[
        str, typer.Option(help="Prefix of the two files that are written (path/en-de).")
    ],
    wrong: Annotated[
        float, typer.Option(help="Share of the sentences that get another's translation.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="What they are drawn from.")] = 1,
    sets: Sets = None,
) -> None:
    """Write a corpus in which some sentences stand beside another's translation, for controls."""
    corpora, _, _ = _opened(spec, sets)
    if len(corpora) > 1:
        names = ", ".join(corpus.name for corpus in corpora)
        raise DataError(f"{spec} has several language pairs: {names}", "name one of them")
    from pathlib import Path

    from otx.data.noise import write_noised

    made = write_noised(corpora[0], Path(output), wrong, seed)
    alike = f"; {made.alike:,} of them read like their own by chance" if made.alike else ""
    screen.result(
        f"{made.moved:,} of {made.pairs:,} pairs have another's {corpora[0].pivot_language} side{alike}"
    )


def _opened(
    spec: str, sets: list[str] | None, *, any_share: bool = False
) -> tuple[list[Corpus], Any, PluginHost]:
    settings, host = open_project({}, sets or [])
    resolve_corpus(spec, host.registry)
    from otx.data.corpora import open_corpora

    corpora = open_corpora([spec], host.registry, settings, settings.data, any_share=any_share)
    return corpora, settings, host


def _tested(
    host: PluginHost, settings: Any, names: list[str] | None, *languages: str
) -> dict[str, list[str]]:
    """The tested sentences of each task and language, and of sets that are called by another name than a language's."""
    from otx.data.languages import language_of

    found: dict[str, list[str]] = {}
    missing: list[str] = []
    registry = host.registry
    wanted = [registry.find("task", name) for name in names] if names else registry.entries("task")
    for entry in wanted:
        name = entry.name
        try:
            task = entry.make(entry.read_options(settings))
            for language in task.languages():
                # Gold sets have names of their own, of which it is not known here what they hold.
                if language_of(language) in languages or not _CODE.fullmatch(language):
                    found[f"{name} {language}"] = task.sentences(language)
        except DataError as error:
            # Asked for by name, a task must have its data.
            if names:
                raise
            if isinstance(error, MissingDataError):
                missing.append(name)
            else:
                screen.note(f"note: {name} is not counted: {error.message}")
    if missing:
        screen.note(
            f"note: no test data here of {', '.join(missing)} (--against TASK says what it needs)"
        )
    return found


def _rows(own: Statistics) -> list[tuple[str, str]]:
    rows = [
        ("corpus", own.name),
        ("lines", f"{own.ledger.read:,}"),
        ("pairs", f"{own.pairs:,}"),
        ("refused", kinds_text(own.ledger.refused)),
        ("repaired", kinds_text(own.ledger.repaired)),
        ("came before", f"{own.duplicates:,} pairs"),
        ("both sides alike", f"{own.identical:,} pairs"),
        ("longer : shorter", _spread(own.ratio)),
    ]
    for side in own.sides:
        rows += _side_rows(side)
    rows += [
        (f"in {name}", f"{hits:,} of {size:,} tested sentences" + (" !" if hits else ""))
        for name, (hits, size) in own.overlap.items()
    ]
    return rows


def _side_rows(side: Side) -> list[tuple[str, str]]:
    warned = " !" if side.foreign else ""
    return [
        (f"{side.language} words", _spread(side.words)),
        (f"{side.language} characters", _spread(side.characters)),
        (f"{side.language} came before", f"{side.repeated:,} sentences"),
        (
            f"{side.language} script",
            f"{side.in_script:.1%} of the letters are {' or '.join(side.scripts)}; "
            f"{side.foreign:,} sentences are mostly not{warned}",
        ),
    ]


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return (
        f"mean {spread.mean:.1f}, median {spread.median:.1f}, 95 % within {spread.high:.1f}, "
        f"largest {spread.largest:.1f}"
    )
