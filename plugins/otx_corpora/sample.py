"""The corpus ``sample``: the small corpus that ships with otx, in six languages, aligned line by line.

Its folder has four kinds of files: ``train.XX.txt`` are what this corpus opens, ``heldout.XX.txt`` are for evaluation,
``*.tok.XX.txt`` are the same sentences pre-tokenised, and ``heldout.en-XX.gold`` with ``.src-tgt`` are gold word
alignments.
"""

from __future__ import annotations

from pathlib import Path

from otx.data.bitext import read_bitext
from otx.errors import UsageError
from otx.interfaces import Corpus
from otx_corpora.options import SampleOptions

FOLDER = Path(__file__).parent / "sample"
LANGUAGES = ("en", "de", "es", "fr", "ru", "zh")


def open_corpora(spec: str, options: SampleOptions, pivot: str) -> list[Corpus]:
    """Open the training pairs of the pivot with other languages.

    Args:
        spec: Languages separated by commas (``de,es``); empty for all.
        options: Options of ``sample``.
        pivot: The pivot language.

    Returns:
        One corpus per language.

    Raises:
        UsageError: If the sample does not have a language, or if ``spec`` names the pivot.
    """
    languages = spec.split(",") if spec else [name for name in LANGUAGES if name != pivot]
    for language in (pivot, *languages):
        if language not in LANGUAGES:
            raise UsageError(f"the sample has no {language}", f"it has {', '.join(LANGUAGES)}")
    if pivot in languages:
        raise UsageError(f"sample:{spec} names the pivot {pivot}", "name the other languages only")
    return [_open(language, pivot, options.tokenised) for language in dict.fromkeys(languages)]


def _open(language: str, pivot: str, tokenised: bool) -> Corpus:
    part = "train.tok" if tokenised else "train"
    return read_bitext(
        FOLDER / f"{part}.{language}.txt",
        FOLDER / f"{part}.{pivot}.txt",
        languages=(language, pivot),
        name=f"sample {pivot}-{language}",
        pretokenised=tokenised,
        gold=_gold(language, pivot),
    )


def _gold(language: str, pivot: str) -> tuple[Path, Path] | None:
    """Return the files of gold links and of their sentences, if the sample has them."""
    stem = FOLDER / f"heldout.{pivot}-{language}"
    links, sentences = Path(f"{stem}.gold"), Path(f"{stem}.src-tgt")
    return (links, sentences) if links.is_file() else None
