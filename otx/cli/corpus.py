"""`otx corpus`: describe a bitext, or write one with mismatched pairs."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli import flags
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


def register(app: typer.Typer) -> None:
    """Add the commands.

    Args:
        app: The command line.
    """
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command(
        "stats",
        short_help="Describe the lines and pairs of a bitext.",
        epilog=example(
            "otx corpus stats data/en-de", "otx corpus stats sample:de --against retrieval"
        ),
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
        epilog=example("otx corpus stats data/en-de"),
    )


def stats(
    spec: flags.Corpus,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Task whose test sentences are searched in the corpus; repeat the flag for more. "
            "By default every task that has data here.",
            autocompletion=tasks,
        ),
    ] = None,
    sets: flags.Sets = None,
    json: flags.Json = False,
) -> None:
    """Describe the lines and pairs of a bitext.

    Prints lengths, ratios, repetitions, scripts, and overlap with test sets. An exclamation mark
    warns of sentences in another script, and of test sentences in the corpus.
    """
    corpora, settings, host = _opened(spec, sets, any_share=True)
    from otx.data.overlap import count_hits, sentence_hashes
    from otx.data.statistics import describe

    described = []
    for corpus in corpora:
        statistics, hashes = describe(corpus), sentence_hashes([corpus])
        tested = _tested(host, settings, against, corpus.source_language, corpus.pivot_language)
        overlap = {name: (count_hits(texts, hashes), len(texts)) for name, texts in tested.items()}
        described.append(dataclasses.replace(statistics, overlap=overlap))
    if json:
        return screen.json([dataclasses.asdict(statistics) for statistics in described])
    screen.result("\n\n".join(columns(_rows(statistics)) for statistics in described))


def noise(
    spec: flags.Corpus,
    output: Annotated[
        str, typer.Option(metavar="PREFIX", help="Prefix of the two files to write (path/en-de).")
    ],
    wrong: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of pairs with the translation of another pair."),
    ] = 0.1,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the draw of these pairs.")] = 1,
    sets: flags.Sets = None,
) -> None:
    """Write a bitext with some mismatched pairs, as a control.

    The share --wrong of the pairs gets the translation of another pair. The corpus must have one
    language pair.
    """
    corpora, _, _ = _opened(spec, sets)
    if len(corpora) > 1:
        names = ", ".join(corpus.name for corpus in corpora)
        raise DataError(f"{spec} has several language pairs: {names}", "name one of them")
    from pathlib import Path

    from otx.data.noise import write_noised

    noised = write_noised(corpora[0], Path(output), wrong, seed)
    alike = f"; {noised.alike:,} of these sentences are alike by chance" if noised.alike else ""
    screen.result(
        f"Saved to {output}.*: {noised.moved:,} of {noised.pairs:,} pairs have the "
        f"{corpora[0].pivot_language} sentence of another pair{alike}"
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
    """Return the test sentences of each task and language, and of test sets that are not named after a language."""
    from otx.data.languages import language_of

    sentences: dict[str, list[str]] = {}
    missing: list[str] = []
    registry = host.registry
    entries = [registry.find("task", name) for name in names] if names else registry.entries("task")
    for entry in entries:
        name = entry.name
        try:
            task = entry.make(entry.read_options(settings))
            for language in task.languages():
                # Gold sets have other names, which do not tell their languages.
                if language_of(language) in languages or not _CODE.fullmatch(language):
                    sentences[f"{name} {language}"] = task.sentences(language)
        except DataError as error:
            # A task that was named must have its data.
            if names:
                raise
            if isinstance(error, MissingDataError):
                missing.append(name)
            else:
                screen.note(f"note: skipped {name}: {error.message}")
    if missing:
        screen.note(
            f"note: skipped tasks without data: {', '.join(missing)} (--against TASK shows what it needs)"
        )
    return sentences


def _rows(statistics: Statistics) -> list[tuple[str, str]]:
    rows = [
        ("corpus", statistics.name),
        ("lines", f"{statistics.ledger.read:,}"),
        ("pairs", f"{statistics.pairs:,}"),
        ("refused", kinds_text(statistics.ledger.refused)),
        ("repaired", kinds_text(statistics.ledger.repaired)),
        ("repeated", f"{statistics.duplicates:,} pairs"),
        ("identical sides", f"{statistics.identical:,} pairs"),
        ("longer : shorter", _spread(statistics.ratio)),
    ]
    for side in statistics.sides:
        rows += _side_rows(side)
    rows += [
        (f"in {name}", f"{hits:,} of {size:,} tested sentences" + (" !" if hits else ""))
        for name, (hits, size) in statistics.overlap.items()
    ]
    return rows


def _side_rows(side: Side) -> list[tuple[str, str]]:
    warned = " !" if side.foreign else ""
    return [
        (f"{side.language} words", _spread(side.words)),
        (f"{side.language} characters", _spread(side.characters)),
        (f"{side.language} repeated", f"{side.repeated:,} sentences"),
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
