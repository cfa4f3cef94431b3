"""Languages: two-letter codes for three-letter ones, and the scripts that languages are written in."""

from __future__ import annotations

import regex

_PAIRS = """
afr af, aka ak, als sq, amh am, ara ar, arb ar, asm as, aze az, azj az, bak ba, bel be, ben bn, bod bo, bos bs, bre br,
bul bg, cat ca, ces cs, cmn zh, cor kw, cym cy, dan da, deu de, div dv, dzo dz, ekk et, ell el, eng en, epo eo, est et,
eus eu, ewe ee, fao fo, fas fa, fij fj, fin fi, fra fr, fry fy, gla gd, gle ga, glg gl, guj gu, hau ha, heb he, hin hi,
hrv hr, hun hu, hye hy, ibo ig, ido io, ina ia, ile ie, ind id, isl is, ita it, jav jv, jpn ja, kan kn, kat ka, kaz kk,
khk mn, khm km, kin rw, kir ky, kmr ku, kor ko, lao lo, lat la, lav lv, lit lt, ltz lb, lvs lv, mal ml, mar mr, mkd mk,
mlg mg, mlt mt, mon mn, mri mi, msa ms, mya my, nde nd, nep ne, nld nl, nno nn, nob nb, npi ne, nya ny, oci oc, orm om,
pan pa, pes fa, plt mg, pol pl, por pt, prs prs, pus ps, ron ro, run rn, rus ru, sin si, slk sk, slv sl, smo sm, sna sn,
snd sd, som so, spa es, sqi sq, srp sr, ssw ss, swa sw, swe sv, swh sw, tah ty, tam ta, tat tt, tel te, tgk tg, tgl tl,
tha th, tir ti, ton to, tsn tn, tuk tk, tur tr, uig ug, ukr uk, urd ur, uzb uz, uzn uz, ven ve, vie vi, wol wo, xho xh,
ydd yi, yid yi, yor yo, zho zh, zsm ms, zul zu
"""
_TWO_LETTERS = dict(pair.split() for pair in _PAIRS.replace("\n", " ").split(","))

_KNOWN = frozenset(_TWO_LETTERS) | frozenset(_TWO_LETTERS.values())

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
_SCRIPTS_OF = {
    language: tuple(scripts.split())
    for scripts, _, languages in (line.partition(":") for line in _SCRIPTS.strip().split("\n"))
    for language in languages.split()
}
_LETTER = regex.compile(r"\p{L}")


def is_known_language(code: str) -> bool:
    """Return whether a code is that of a listed language, apart from its region.

    Args:
        code: A code such as ``de`` or ``zho_Hant``.

    Example:
        >>> is_known_language("de"), is_known_language("dev")
        (True, False)
    """
    return code.replace("_", "-").partition("-")[0] in _KNOWN


def two_letters(code: str) -> str:
    """Return the two-letter form of a language code.

    Args:
        code: A code of two or three letters, perhaps with a script or region.

    Returns:
        The code with two letters if it has such a form; ``zh-CN`` becomes ``zh``.

    Example:
        >>> two_letters("deu"), two_letters("zho-CN"), two_letters("spa_MX"), two_letters("ckb")
        ('de', 'zh', 'es-MX', 'ckb')
    """
    base, dash, region = code.replace("_", "-").partition("-")
    short = _TWO_LETTERS.get(base.lower(), base.lower())
    return short if (short, region) == ("zh", "CN") else f"{short}{dash}{region}"


def language_of(code: str) -> str:
    """Return the language of a code, without script or region.

    Args:
        code: A language code.

    Example:
        >>> language_of("zh-TW"), language_of("zho_Hant"), language_of("cmn")
        ('zh', 'zh', 'zh')
    """
    return two_letters(code).partition("-")[0]


def scripts_of(language: str) -> tuple[str, ...]:
    """Return Unicode's names of a language's scripts.

    Args:
        language: A language code.

    Returns:
        The names; Latin for a language without an entry.

    Example:
        >>> scripts_of("ja"), scripts_of("de")
        (('Han', 'Hiragana', 'Katakana'), ('Latin',))
    """
    return _SCRIPTS_OF.get(language_of(language), ("Latin",))


class ScriptCounter:
    """Counts letters in a language's scripts, and texts mostly in other scripts.

    Args:
        language: A language code.

    Attributes:
        letters: Number of letters.
        native: Number of letters in the language's scripts.
        foreign: Number of texts whose letters are mostly in other scripts.
    """

    def __init__(self, language: str) -> None:
        kinds = "".join(rf"\p{{Script={script}}}" for script in scripts_of(language))
        self._native = regex.compile(rf"(?=\p{{L}})[{kinds}]")
        self.letters = self.native = self.foreign = 0

    def add(self, text: str) -> None:
        """Count one text; a text without letters is in every script.

        Args:
            text: The text.
        """
        letters, native = len(_LETTER.findall(text)), len(self._native.findall(text))
        self.letters += letters
        self.native += native
        self.foreign += 2 * native < letters

    @property
    def share(self) -> float:
        """Share of letters that are in the language's scripts."""
        return self.native / max(self.letters, 1)
