"""Which scripts a language is written in, and whether a text is."""

from __future__ import annotations

import regex

from otx.data.languages import language_of

_SCRIPTS = """
Cyrillic: ba be bg ce cv kk ky mk mn os ru sah sr tg tt udm uk
Greek: el
Arabic: ar ckb fa ks ps sd ug ur
Hebrew: he yi
Devanagari: bho hi mai mr ne sa
Han: zh yue wuu
Han Hiragana Katakana: ja
Hangul Han: ko
Thai: th
Lao: lo
Khmer: km
Myanmar: my
Tibetan: bo dz
Georgian: ka
Armenian: hy
Bengali: as bn
Tamil: ta
Telugu: te
Kannada: kn
Malayalam: ml
Gujarati: gu
Gurmukhi: pa
Oriya: or
Sinhala: si
Ethiopic: am ti
Cyrillic Latin: az bs uz
"""
_OF_LANGUAGE = {
    language: tuple(scripts.split())
    for scripts, _, languages in (line.partition(":") for line in _SCRIPTS.strip().split("\n"))
    for language in languages.split()
}
_LETTER = regex.compile(r"\p{L}")


def scripts_of(language: str) -> tuple[str, ...]:
    """Unicode's names of a language's scripts; Latin for one that is not known to have another."""
    return _OF_LANGUAGE.get(language_of(language), ("Latin",))


class ScriptCounter:
    """Counts the letters of texts that are in a language's scripts, and the texts that mostly are not."""

    def __init__(self, language: str) -> None:
        kinds = "".join(rf"\p{{Script={script}}}" for script in scripts_of(language))
        self._own = regex.compile(rf"(?=\p{{L}})[{kinds}]")
        self.letters = self.own = self.foreign = 0

    def add(self, text: str) -> None:
        """Count one text; one without letters is in every script."""
        letters, own = len(_LETTER.findall(text)), len(self._own.findall(text))
        self.letters += letters
        self.own += own
        self.foreign += 2 * own < letters

    @property
    def share(self) -> float:
        """The share of letters that are in the language's scripts."""
        return self.own / max(self.letters, 1)
