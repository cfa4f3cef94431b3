"""Two-letter codes for the three-letter ones that file names use."""

from __future__ import annotations

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


def is_known_language(code: str) -> bool:
    """Return whether a code, script and region aside, is that of a language listed here: ``de``, ``zho_Hant``.

    Example:
        >>> is_known_language("de"), is_known_language("dev")
        (True, False)
    """
    return code.replace("_", "-").partition("-")[0] in _KNOWN


def two_letters(code: str) -> str:
    """``deu`` -> ``de``, ``zho-CN`` -> ``zh``, ``spa_MX`` -> ``es-MX``; a code without a two-letter form stays."""
    base, dash, region = code.replace("_", "-").partition("-")
    short = _TWO_LETTERS.get(base.lower(), base.lower())
    return short if (short, region) == ("zh", "CN") else f"{short}{dash}{region}"


def language_of(code: str) -> str:
    """The language alone, without script or region: ``zh-TW``, ``zho_Hant`` and ``cmn`` are all ``zh``."""
    return two_letters(code).partition("-")[0]
