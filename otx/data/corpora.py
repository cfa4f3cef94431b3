"""From what a user wrote after ``--corpus`` to open corpora, through the plugin that knows how."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Protocol

from otx.data.lines import REPAIRED
from otx.errors import DataError, UsageError
from otx.types import Corpus, Problem

FILES = "files"
"""The corpus plugin for everything that is no registered name."""
SHOWN = 3

OpenCorpora = Callable[[str, Any, str], list[Corpus]]


class CorpusEntry(Protocol):
    """What is used of a registry entry."""

    @property
    def name(self) -> str:
        """The corpus's name."""
        ...

    @property
    def distribution(self) -> str:
        """The distribution that brings it."""
        ...

    def load(self) -> Any:
        """The target: ``open_corpora(spec, options, pivot) -> list[Corpus]``."""
        ...


class CorpusRegistry(Protocol):
    """What is used of the registry."""

    def entries(self, kind: str) -> Sequence[CorpusEntry]:
        """All entries of a kind."""
        ...

    def find(self, kind: str, name: str) -> CorpusEntry:
        """The entry of a name; UsageError with a suggestion if there is none."""
        ...


class AlignPart(Protocol):
    """What is used of the settings of a run."""

    @property
    def pivot(self) -> str:
        """The pivot language."""
        ...

    @property
    def max_bad(self) -> float:
        """Share of refused pairs that stops the run."""
        ...


class CorpusSettings(Protocol):
    """What is used of the settings."""

    @property
    def align(self) -> AlignPart:
        """The settings of a run."""
        ...

    def options_for(self, entry: Any) -> Any:
        """The entry's options, checked."""
        ...


def open_corpora(
    specs: Sequence[str], registry: CorpusRegistry, settings: CorpusSettings
) -> list[Corpus]:
    """Every corpus of every spec, one a language pair.

    ``NAME`` or ``NAME:REST`` of a registered corpus goes to its plugin (``DIST:NAME`` settles a
    clash), everything else to ``files``. Raises UsageError for what no plugin understands,
    DataError for files that cannot be used and where more than ``align.max_bad`` of the pairs were
    refused.
    """
    if not specs:
        raise UsageError("no corpus is given", "name one with --corpus; see otx list corpora")
    found: list[Corpus] = []
    for spec in specs:
        entry, rest = _plugin(spec, registry)
        opened: list[Corpus] = entry.load()(rest, settings.options_for(entry), settings.align.pivot)
        found += opened
    for corpus in found:
        _limit_refused(corpus, settings.align.max_bad)
    return found


def _plugin(spec: str, registry: CorpusRegistry) -> tuple[CorpusEntry, str]:
    """The plugin for a spec, and what of the spec is for it to read."""
    entries = registry.entries("corpus")
    name, _, rest = spec.partition(":")
    if name in {entry.distribution for entry in entries}:
        inner, _, inner_rest = rest.partition(":")
        if inner in {entry.name for entry in entries}:
            name, rest = f"{name}:{inner}", inner_rest
            return registry.find("corpus", name), rest
    if name in {entry.name for entry in entries}:
        return registry.find("corpus", name), rest
    bare = re.fullmatch(r"[\w-]+", spec) is not None
    if bare and not any(Path().glob(f"{spec}.*")):
        return registry.find("corpus", spec), ""
    return registry.find("corpus", FILES), spec


def _limit_refused(corpus: Corpus, max_bad: float) -> None:
    problems = [problem for problem in corpus.problems() if problem.kind not in REPAIRED]
    refused = sum(1 for _ in groupby(problems, key=lambda problem: problem.line))
    share = refused / max(refused + len(corpus), 1)
    if share > max_bad:
        raise DataError(
            f"corpus {corpus.name}: {refused:,} of {refused + len(corpus):,} pairs cannot be used "
            f"({share:.1%}, at most {max_bad:.1%} may be): {_first(problems)}",
            "mend the files, or allow more with --set align.max_bad=SHARE",
        )


def _first(problems: Iterable[Problem]) -> str:
    shown = [f"{p.file} line {p.line}: {p.reason}" for p in islice(problems, SHOWN + 1)]
    return "; ".join(shown[:SHOWN]) + (" ..." if len(shown) > SHOWN else "")
