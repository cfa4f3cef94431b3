"""Check whether a tokenizer's treatment of capitals and accents fits its vocabulary."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from otx.errors import DataError

EVIDENCE = 0.01
"""Share of a vocabulary with capitals (accents) above which the checkpoint was trained on them."""
FEW = 3
"""Minimum number of test letters whose plain form the tokenizer must know before we draw a conclusion."""


def _without_marks(text: str) -> str:
    kept = (c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFC", "".join(kept))


def _has_mark(text: str) -> bool:
    return any(unicodedata.category(c) == "Mn" for c in unicodedata.normalize("NFD", text))


def _has_capital(text: str) -> bool:
    return any(c.isupper() for c in text)


@dataclass(frozen=True, slots=True)
class NormalisationCheck:
    """A normalisation that a tokenizer may apply: it reads letters as plainer ones.

    Attributes:
        does: The verb in messages.
        setting: The tokenizer's setting that controls it.
        loses: The distinction that it removes, in messages.
        letters: Letters to test.
        plain: Maps a text to its plain form.
        has: Returns whether a text has such letters.
    """

    does: str
    setting: str
    loses: str
    letters: tuple[str, ...]
    plain: Callable[[str], str]
    has: Callable[[str], bool]

    def read(self, tokenizer: Any) -> dict[str, tuple[list[int], list[int]]]:
        """Tokenise each test letter and its plain form.

        Args:
            tokenizer: A fast tokenizer.

        Returns:
            Letter to the sub-words of the letter and of its plain form, for plain forms that the tokenizer knows.
        """
        texts = [*self.letters, *map(self.plain, self.letters)]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
        count, unknown = len(self.letters), tokenizer.unk_token_id
        pairs = zip(self.letters, ids[:count], ids[count:], strict=True)
        return {letter: (marked, plain) for letter, marked, plain in pairs if unknown not in plain}

    def share(self, pieces: Sequence[str]) -> float:
        """Return the share of pieces that have such letters.

        Args:
            pieces: Texts of a vocabulary.
        """
        return sum(map(self.has, pieces)) / max(1, len(pieces))


CHECKS = (
    NormalisationCheck(
        does="lower-cases",
        setting="do_lower_case",
        loses="capitals",
        letters=("B", "Q", "Ü", "Ж", "Ω"),
        plain=str.lower,
        has=_has_capital,
    ),
    NormalisationCheck(
        does="strips accents",
        setting="strip_accents",
        loses="accents",
        letters=("é", "ñ", "ü", "ő", "й", "ё", "ά", "ế", "กี", "कु"),
        plain=_without_marks,
        has=_has_mark,
    ),
)


def piece_texts(tokenizer: Any, vocabulary: Collection[str]) -> list[str]:
    """Return the text of each piece of a vocabulary, without special tokens.

    Args:
        tokenizer: The tokenizer.
        vocabulary: Its pieces.
    """
    pieces = set(vocabulary) - set(tokenizer.all_special_tokens)
    return [tokenizer.convert_tokens_to_string([piece]) for piece in pieces]


def check_normalisation(tokenizer: Any, vocabulary: Collection[str], reference: str) -> list[str]:
    """Check that a tokenizer's normalisation fits its vocabulary.

    It may lower-case and strip accents only if the vocabulary has no capitals and no accents.
    A wrongly configured tokenizer misreads every text with capitals or accents. One did so in mBERT, and halved its
    XQuAD scores in Vietnamese and Thai.

    Args:
        tokenizer: A fast tokenizer.
        vocabulary: Its pieces.
        reference: The model's name in messages.

    Returns:
        Notes on a tokenizer that lower-cases or strips accents as its vocabulary does.

    Raises:
        DataError: If the tokenizer removes a distinction that the vocabulary has, or keeps one that it lacks, so that
            every such letter becomes an unknown sub-word.

    References:
        https://github.com/google-research/xtreme/issues/8
    """
    notes = []
    # Decoding 250,000 pieces takes .5 s: only if a letter is lost, and once for both checks.
    texts = cache(lambda: piece_texts(tokenizer, vocabulary))
    for check in CHECKS:
        letters = check.read(tokenizer)
        lost = [letter for letter, (marked, plain) in letters.items() if marked == plain]
        unread = [
            letter for letter, (marked, _) in letters.items() if tokenizer.unk_token_id in marked
        ]
        if len(unread) == len(letters) >= FEW and check.share(texts()) <= EVIDENCE:
            raise DataError(
                f"{reference}: the tokenizer knows no {check.loses} ({unread[0]} is unknown, "
                f"{check.plain(unread[0])} is not), but keeps them",
                f"set {check.setting} to true in tokenizer_config.json and tokenizer.json",
            )
        if not lost:
            continue
        share, example = check.share(texts()), f"{lost[0]} becomes {check.plain(lost[0])}"
        if share > EVIDENCE:
            raise DataError(
                f"{reference}: the tokenizer {check.does} ({example}), but {share:.0%} of its "
                f"vocabulary has {check.loses}",
                f"set {check.setting} to false in tokenizer_config.json and tokenizer.json",
            )
        notes.append(f"the tokenizer {check.does}: {example}")
    return notes
