"""Check that corpora keep their interface."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from otx.interfaces import Corpus
from otx.testing.complaints import Passed, fault, ignore, require
from otx.types import Pair, Problem

SHOWN = 50
"""Number of pairs that are read at either end of a corpus."""

Load = Callable[[], Sequence[Corpus]]
"""Opens corpora."""

_require = functools.partial(require, "corpus")


def check_corpus(load: Load, *, passed: Passed = ignore) -> None:
    """Check that corpora keep the interface ``otx.interfaces.Corpus``.

    Args:
        load: Opens the corpora, one per language pair; called twice.
        passed: Called with the name of each check that passed.

    Raises:
        PluginError: If a corpus breaks its interface, with its name and the clause.

    Example:
        >>> check_corpus(lambda: open_corpora("path/en-de", MyOptions(), "en"))  # doctest: +SKIP
    """
    corpora, again = load(), load()
    _require(len(corpora) > 0, "no corpus was opened")
    _require(len(corpora) == len(again), "opened again, the number of corpora is another")
    for corpus, twin in zip(corpora, again, strict=True):
        _check_names(corpus)
        name = corpus.name
        passed(f"{name}: it has a name and two languages")
        indices = _indices(corpus)
        _check_pairs(corpus, indices)
        passed(
            f"{name}: its pairs are two lines of text each, and beyond the last it raises IndexError"
        )
        fingerprint = corpus.fingerprint()
        _require(
            isinstance(fingerprint, str) and bool(fingerprint),
            f"{name}: its fingerprint is {fingerprint!r}, not a text",
        )
        same = twin.fingerprint() == fingerprint and all(corpus[i] == twin[i] for i in indices)
        _require(same, f"{name}: opened again, it has another fingerprint or other pairs")
        passed(f"{name}: opened again, it is the same")
        _check_problems(corpus)
        passed(f"{name}: every refused line has a file, a number, a kind and a reason")
        _check_links(corpus, indices)
        passed(f"{name}: its links are between words of its pairs, or it has none")


def _check_names(corpus: Corpus) -> None:
    for field in ("name", "source_language", "pivot_language"):
        value = getattr(corpus, field)
        _require(isinstance(value, str) and bool(value), f"{field} is {value!r}, not a text")
    _require(
        corpus.source_language != corpus.pivot_language,
        f"{corpus.name}: both sides are in {corpus.pivot_language}",
    )
    _require(isinstance(corpus.pretokenised, bool), f"{corpus.name}: pretokenised is not a bool")


def _indices(corpus: Corpus) -> list[int]:
    count = len(corpus)
    _require(count > 0, f"{corpus.name}: it has no pairs")
    return sorted({*range(min(SHOWN, count)), *range(max(0, count - SHOWN), count)})


def _check_pairs(corpus: Corpus, indices: Sequence[int]) -> None:
    for index in reversed(indices):
        pair = corpus[index]
        place = f"{corpus.name}: pair {index}"
        _require(
            isinstance(pair, Pair), f"{place} is a {type(pair).__name__}, not an otx.types.Pair"
        )
        for side in (pair.source, pair.pivot):
            _require(isinstance(side, str), f"{place} has a side of type {type(side).__name__}")
            _require(
                bool(side.strip()), f"{place} has an empty side: refuse such a line (problems)"
            )
            _require("\n" not in side, f"{place} contains a line feed")
        _require(
            isinstance(pair.line, int) and pair.line >= 1,
            f"{place} has line {pair.line!r}, not a number from 1",
        )
        _require(corpus[index] == pair, f"{place} is another pair when it is read again")
    try:
        corpus[len(corpus)]
    except IndexError:
        return
    raise fault("corpus", f"{corpus.name}: beyond the last pair it raises no IndexError")


def _check_problems(corpus: Corpus) -> None:
    for problem in list(corpus.problems())[:SHOWN]:
        _require(
            isinstance(problem, Problem),
            f"{corpus.name}: a problem is a {type(problem).__name__}, not an otx.types.Problem",
        )
        whole = problem.file and problem.kind and problem.reason and problem.line >= 1
        _require(
            bool(whole), f"{corpus.name}: a problem lacks file, line, kind or reason: {problem}"
        )


def _check_links(corpus: Corpus, indices: Sequence[int]) -> None:
    links = corpus.links()
    if links is None:
        return
    _require(corpus.pretokenised, f"{corpus.name}: it has links, but pretokenised is False")
    _require(
        len(links) == len(corpus),
        f"{corpus.name}: {len(links)} sets of links for {len(corpus)} pairs",
    )
    for index in indices:
        pair = corpus[index]
        limits = len(pair.source.split()), len(pair.pivot.split())
        inside = all(0 <= i < limits[0] and 0 <= j < limits[1] for i, j in links[index])
        _require(
            inside,
            f"{corpus.name}: pair {index} has links {sorted(links[index])} for {limits} words",
        )
