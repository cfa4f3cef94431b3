"""Open the corpora that ``--corpus`` names, through their plugins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from otx.config.option_tables import OptionSource
from otx.config.schema import DataSettings
from otx.data.ledger import Ledger, count_lines, kinds_text
from otx.data.lines import NOT_UTF8, REPAIRED
from otx.errors import DataError, UsageError
from otx.interfaces import Corpus
from otx.plugin_host.registry import Entry, Registry
from otx.types import Problem

DEFAULT_CORPUS = "files"
"""The corpus plugin for every spec that is not a registered name."""
SHOWN = 3
"""Refused lines that an error quotes."""


def open_corpora(
    specs: Sequence[str],
    registry: Registry,
    options: OptionSource,
    data: DataSettings,
    *,
    any_share: bool = False,
) -> list[Corpus]:
    """Open every corpus of every spec, one per language pair.

    ``NAME`` or ``NAME:REST`` of a registered corpus goes to its plugin (``DIST:NAME`` settles a clash), everything else
    to ``files``.

    Args:
        specs: The values of ``--corpus``.
        registry: The registered corpora.
        options: The options of corpus plugins.
        data: Pivot language, and the share of refused lines that is accepted.
        any_share: Accept corpora whose share of refused lines is above ``data.max_bad``.

    Returns:
        The corpora, in the order of the specs.

    Raises:
        UsageError: If no plugin understands a spec, or if it means both a registered corpus and files.
        DataError: If files cannot be used or, without ``any_share``, if too many lines are refused.
    """
    if not specs:
        raise UsageError("no corpus is given", "name one with --corpus; see otx list corpora")
    corpora: list[Corpus] = []
    for spec in specs:
        entry, rest = resolve_corpus(spec, registry)
        _refuse_two_meanings(spec, entry, data.pivot)
        opened: list[Corpus] = entry.make(rest, entry.read_options(options), data.pivot)
        corpora += opened
    if not any_share:
        for corpus in corpora:
            _limit_refused(corpus, data.max_bad)
    return corpora


def resolve_corpus(spec: str, registry: Registry) -> tuple[Entry, str]:
    """Return the plugin for a spec.

    Args:
        spec: A value of ``--corpus``.
        registry: The registered corpora.

    Returns:
        The plugin's entry, and the part of the spec that the plugin reads.

    Raises:
        UsageError: If the spec is neither a registered name nor the prefix of files.
    """
    entry, rest = registry.resolve("corpus", spec, DEFAULT_CORPUS)
    unknown = entry.name == DEFAULT_CORPUS and rest == spec and re.fullmatch(r"[\w-]+", spec)
    if unknown and not any(Path().glob(f"{spec}.*")):
        return registry.find("corpus", spec), ""  # Raises UsageError with the nearest name.
    return entry, rest


def _refuse_two_meanings(spec: str, entry: Entry, pivot: str) -> None:
    """Refuse a registered name that is also the prefix of files in this folder."""
    here = [f"{spec}.{pivot}{ending}" for ending in ("", ".gz")]
    if spec == entry.name and any(Path(name).exists() for name in here):
        raise UsageError(
            f"'{spec}' is a registered corpus, and this folder has a file {spec}.{pivot}",
            f"write ./{spec} for the files, or {spec}: for the registered corpus",
        )


def _limit_refused(corpus: Corpus, max_bad: float) -> None:
    # Imported here because the command line imports this module.
    from otx.data.subset import each_problem

    ledger = count_lines(corpus)
    refused = sum(ledger.refused.values())
    if not ledger.used:
        reason = kinds_text(ledger.refused, "refused") if refused else "no lines"
        raise DataError(
            f"corpus {corpus.name}: no pair can be used: {reason}",
            _remedy(ledger, "correct the files"),
        )
    share = refused / ledger.read
    if share > max_bad:
        problems = (problem for problem in each_problem(corpus) if problem.kind not in REPAIRED)
        raise DataError(
            f"corpus {corpus.name}: {refused:,} of {ledger.read:,} pairs cannot be used "
            f"({share:.1%}, at most {max_bad:.1%} may be): {_first(problems)}",
            _remedy(ledger, "correct the files, or allow more with --set data.max_bad=SHARE"),
        )


def _remedy(ledger: Ledger, otherwise: str) -> str:
    """Return the remedy for most of the refused lines."""
    foreign = ledger.refused.get(NOT_UTF8, 0)
    if foreign * 2 > sum(ledger.refused.values()):
        return "set the files' encoding: --set files.encoding=NAME (utf-8 is the default)"
    return otherwise


def _first(problems: Iterable[Problem]) -> str:
    shown = [f"{p.file} line {p.line}: {p.reason}" for p in islice(problems, SHOWN + 1)]
    return "; ".join(shown[:SHOWN]) + (" ..." if len(shown) > SHOWN else "")
