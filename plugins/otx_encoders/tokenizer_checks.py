"""What a tokenizer does to capitals and accents, against what its vocabulary was made from."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from otx.errors import DataError

EVIDENCE = 0.01
"""Above this share of its vocabulary with capitals (accents), a checkpoint was trained on them."""
FEW = 3
"""Of fewer letters whose plain form is known nothing is concluded."""


def _without_marks(text: str) -> str:
    kept = (c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFC", "".join(kept))


def _has_mark(text: str) -> bool:
    return any(unicodedata.category(c) == "Mn" for c in unicodedata.normalize("NFD", text))


def _has_capital(text: str) -> bool:
    return any(c.isupper() for c in text)


@dataclass(frozen=True, slots=True)
class NormalisationCheck:
    """A way of reading letters as plainer ones, the setting behind it, and what it leaves out."""

    does: str
    setting: str
    loses: str
    letters: tuple[str, ...]
    plain: Callable[[str], str]
    has: Callable[[str], bool]

    def read(self, tokenizer: Any) -> dict[str, tuple[list[int], list[int]]]:
        """Sub-words of each letter and of its plain form, where the tokenizer knows the latter."""
        texts = [*self.letters, *map(self.plain, self.letters)]
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
        count, unknown = len(self.letters), tokenizer.unk_token_id
        pairs = zip(self.letters, ids[:count], ids[count:], strict=True)
        return {letter: (own, plain) for letter, own, plain in pairs if unknown not in plain}

    def share(self, pieces: Sequence[str]) -> float:
        """Share of the pieces of a vocabulary, as text, that has such letters."""
        return sum(map(self.has, pieces)) / max(1, len(pieces))


HABITS = (
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
    """Return the text of each piece of the vocabulary, special tokens left out."""
    pieces = set(vocabulary) - set(tokenizer.all_special_tokens)
    return [tokenizer.convert_tokens_to_string([piece]) for piece in pieces]


def check_letters(tokenizer: Any, vocabulary: Collection[str], reference: str) -> list[str]:
    """Notes on a tokenizer that lower-cases or strips accents, as that of an uncased checkpoint.

    Raises DataError if its vocabulary shows that the checkpoint was trained on capitals (accents):
    then the tokenizer is wrongly configured and misreads every text that has them, as one did that
    halved mBERT's XQuAD in Vietnamese and Thai (google-research/xtreme#8). Raises it as well if the
    vocabulary has none of them and yet they are kept, so that each becomes an unknown sub-word.
    """
    notes = []
    # Decoding 250,000 pieces takes .5 s: only where a letter is lost, and once for both habits.
    texts = cache(lambda: piece_texts(tokenizer, vocabulary))
    for habit in HABITS:
        letters = habit.read(tokenizer)
        lost = [letter for letter, (own, plain) in letters.items() if own == plain]
        unread = [letter for letter, (own, _) in letters.items() if tokenizer.unk_token_id in own]
        if len(unread) == len(letters) >= FEW and habit.share(texts()) <= EVIDENCE:
            raise DataError(
                f"{reference}: the tokenizer knows no {habit.loses} ({unread[0]} is unknown, "
                f"{habit.plain(unread[0])} is not), but keeps them",
                f"set {habit.setting} to true in tokenizer_config.json and tokenizer.json",
            )
        if not lost:
            continue
        share, example = habit.share(texts()), f"{lost[0]} becomes {habit.plain(lost[0])}"
        if share > EVIDENCE:
            raise DataError(
                f"{reference}: the tokenizer {habit.does} ({example}), but {share:.0%} of its "
                f"vocabulary has {habit.loses}",
                f"set {habit.setting} to false in tokenizer_config.json and tokenizer.json",
            )
        notes.append(f"the tokenizer {habit.does}: {example}")
    return notes
