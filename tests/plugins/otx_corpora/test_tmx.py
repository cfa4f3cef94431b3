"""Translation memories: what is written is read, inline codes are not text, and what cannot be read is named."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.errors import DataError, UsageError
from otx_corpora import tmx_units
from otx_corpora.files import open_corpora
from otx_corpora.options import FilesOptions
from otx_corpora.tmx_units import units
from tests.examples import examples

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en" datatype="plaintext"/><body>
"""
TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Co", "Cn")), min_size=1
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))


def tmx(path: Path, *units: str, head: str = HEAD) -> Path:
    text = head + "\n".join(f"<tu>{unit}</tu>" for unit in units) + "\n</body></tmx>\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def tuv(language: str, seg: str, attribute: str = "xml:lang") -> str:
    return f'<tuv {attribute}="{language}"><seg>{seg}</seg></tuv>'


def pairs(spec: str, pivot: str = "en") -> list[tuple[str, str, int]]:
    (corpus,) = open_corpora(spec, FilesOptions(), pivot)
    return [(p.source, p.pivot, p.line) for p in (corpus[i] for i in range(len(corpus)))]


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_what_is_written_is_read(tmp_path: Path, texts: list[tuple[str, str]]) -> None:
    written = [tuv("en", escape(en)) + tuv("de", escape(de)) for en, de in texts]
    path = tmx(tmp_path / "m.tmx", *written)
    spaced = [{"en": " ".join(en.split()), "de": " ".join(de.split())} for en, de in texts]
    assert [unit.texts for unit in units(path)] == spaced


@pytest.mark.parametrize("name", ["m.tmx", "m.tmx.gz"])
def test_a_memory_is_a_corpus(tmp_path: Path, name: str) -> None:
    path = tmx(
        tmp_path / name,
        tuv("en-US", "The cat\n   sleeps.") + tuv("de-DE", "Die Katze schläft."),
        tuv("DEU", "Der Hund.", "lang") + tuv("en_GB", "The dog.", "lang"),
    )
    assert pairs(str(path)) == [
        ("Die Katze schläft.", "The cat sleeps.", 1),
        ("Der Hund.", "The dog.", 2),
    ]
    (corpus,) = open_corpora(str(path), FilesOptions(), "de")
    assert (corpus.source_language, corpus.pivot_language) == ("en", "de")


def test_native_codes_are_no_text_and_highlights_are(tmp_path: Path) -> None:
    marked = (
        "Press <bpt i='1'>&lt;b&gt;</bpt>OK<ept i='1'>&lt;/b&gt;</ept> <hi type='x'>twice</hi>, "
        "<ph>%s<sub>alt text</sub></ph>then<it pos='end'>&lt;/i&gt;</it> go<ut>{\\b}</ut>."
    )
    path = tmx(tmp_path / "m.tmx", tuv("en", marked) + tuv("de", "x"))
    assert pairs(str(path))[0][1] == "Press OK twice, then go."


def test_a_unit_without_a_language_is_no_pair_of_it_and_an_empty_side_is_a_problem(
    tmp_path: Path,
) -> None:
    path = tmx(
        tmp_path / "m.tmx",
        tuv("en", "one") + tuv("de", "eins"),
        tuv("en", "two"),
        tuv("en", "three") + tuv("de", "  "),
        tuv("en", "four") + tuv("de", "vier") + tuv("de", "die Vier"),
        tuv("de", "fünf") + tuv("ro", "cinci"),
    )
    (corpus,) = open_corpora(str(path), FilesOptions(), "en")
    assert [(p.line, p.kind, p.reason) for p in corpus.problems()] == [
        (3, "empty", "nothing in the line (line 6 of the file)"),
    ]
    assert [(p.source, p.line) for p in (corpus[i] for i in range(len(corpus)))] == [
        ("eins", 1),
        ("vier", 4),
    ]
    with pytest.raises(UsageError, match="has no ro besides en"):
        open_corpora(f"{path}#ro", FilesOptions(), "en")


def test_several_languages_are_several_corpora(tmp_path: Path) -> None:
    path = tmx(tmp_path / "m.tmx", tuv("en", "one") + tuv("de", "eins") + tuv("es-MX", "uno"))
    found = open_corpora(str(path), FilesOptions(), "en")
    assert [corpus.source_language for corpus in found] == ["de", "es"]
    assert pairs(f"{path}#es") == [("uno", "one", 1)]
    with pytest.raises(UsageError, match="has no fr besides en"):
        open_corpora(f"{path}#fr", FilesOptions(), "en")
    with pytest.raises(UsageError, match="has en, de, es, but the pivot is fr"):
        open_corpora(str(path), FilesOptions(), "fr")


def test_what_is_not_well_formed_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmx(tmp_path / "m.tmx", tuv("en", "one") + tuv("de", "eins"), tuv("en", "a < b"))
    with pytest.raises(DataError, match=r"m\.tmx:5: not well-formed XML"):
        open_corpora(str(path), FilesOptions(), "en")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="not well-formed XML"):
        open_corpora(str(path), FilesOptions(), "en")
    torn = tmp_path / "torn.tmx.gz"
    torn.write_bytes(gzip.compress(b"<tmx>")[:-6])
    with pytest.raises(DataError, match=r"torn\.tmx\.gz: cannot be read"):
        open_corpora(str(torn), FilesOptions(), "en")
    with pytest.raises(DataError, match=r"none\.tmx does not exist"):
        open_corpora(str(tmp_path / "none.tmx"), FilesOptions(), "en")


def test_entities_that_could_stand_for_gigabytes_are_refused(tmp_path: Path) -> None:
    laughs = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    head = HEAD.replace('<!DOCTYPE tmx SYSTEM "tmx14.dtd">', laughs)
    path = tmx(tmp_path / "m.tmx", tuv("en", "&b;") + tuv("de", "x"), head=head)
    with pytest.raises(DataError, match=r"m\.tmx:2: declares the entity a"):
        open_corpora(str(path), FilesOptions(), "en")


def test_a_file_is_read_once_and_its_text_is_what_counts(tmp_path: Path) -> None:
    unit = tuv("en", "one") + tuv("de", "eins")
    (first,) = open_corpora(str(tmx(tmp_path / "a.tmx", unit)), FilesOptions(), "en")
    (again,) = open_corpora(str(tmx(tmp_path / "b.tmx", unit)), FilesOptions(), "en")
    (other,) = open_corpora(str(tmx(tmp_path / "c.tmx", unit, unit)), FilesOptions(), "en")
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()


FORBIDDEN = {
    "control": ["\x01", "\x0b", "\x1f", "&#11;", "&#xB;", "&#0;", "\ufffe", "&#xFFFF;", "&#xD800;"],
    "nul": ["\0"],
    "encoding": [b"\xff", b"\xc3("],
}


@pytest.mark.parametrize(
    ("kind", "damage"), [(kind, one) for kind, all_ in FORBIDDEN.items() for one in all_]
)
def test_a_damaged_character_costs_one_unit(tmp_path: Path, kind: str, damage: str | bytes) -> None:
    path = tmx(tmp_path / "m.tmx", *(tuv("en", f"a{n}") + tuv("de", f"b{n}") for n in range(5)))
    raw = damage if isinstance(damage, bytes) else damage.encode()
    path.write_bytes(path.read_bytes().replace(b"b2", b"b" + raw + b"2"))
    (corpus,) = open_corpora(str(path), FilesOptions(), "en")
    (problem,) = corpus.problems()
    assert (problem.line, problem.kind) == (3, kind if damage != "&#0;" else "nul")
    assert "line 6 of the file" in problem.reason
    assert [corpus[i].line for i in range(len(corpus))] == [1, 2, 4, 5]


def test_damage_beside_the_text_costs_nothing_and_allowed_references_are_text(
    tmp_path: Path,
) -> None:
    note = "<note>bell \x07 &#7;</note>"
    path = tmx(tmp_path / "m.tmx", note + tuv("en", "a&#9;b&#x41;\x85c") + tuv("de", "&#228;"))
    assert pairs(str(path)) == [("ä", "a bA c", 1)]


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(65_300, 65_600), st.sampled_from(["&#11;", "&#x000000000000B;", "\x0b"]))
def test_a_reference_may_lie_across_pieces(tmp_path: Path, size: int, damage: str) -> None:
    fill = "".join(f"<!--{'x' * 50}-->" for _ in range(size // 57))
    first = tuv("en", "a") + tuv("de", "b") + fill + " " * (size % 57)
    path = tmx(tmp_path / "m.tmx", first, tuv("en", "c") + tuv("de", damage))
    assert [unit.texts["de"] for unit in units(path)] == ["b", "\x0b"]


SENTENCES = {
    "gbk": "你好，世界。",
    "gb2312": "你好，世界。镕",  # the last is in GBK only, which many programs write under this name
    "GB18030": "你好，世界。㐀",
    "big5": "你好，世界。",
    "Shift_JIS": "日本語、テスト。ソ表",
    "shift_jis": "①番",
    "EUC-JP": "日本語、テスト。",
    "EUC-KR": "한국어 시험.",
    "iso-2022-jp": "日本語",
    "windows-1251": "Привет",
    "ISO-8859-2": "Zażółć",
    "utf-16": "Ünïcode 你",
}


@pytest.mark.parametrize("encoding", SENTENCES)
def test_the_declared_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    sentence = SENTENCES[encoding]
    head = HEAD.replace("UTF-8", encoding)
    many = (tuv("en", f"a{n}") + tuv("de", f"{sentence} {n}") for n in range(2_000))
    path = tmx(tmp_path / "m.tmx", *many, head=head)
    codec = {"gb2312": "gbk", "shift_jis": "cp932"}.get(encoding, encoding)
    path.write_bytes(path.read_text(encoding="utf-8").encode(codec))
    assert pairs(str(path)) == [(f"{sentence} {n}", f"a{n}", n + 1) for n in range(2_000)]


@pytest.mark.parametrize(
    "encoding", ["klingon", "zip", "unicode_escape", "x" * 200, "ütf", "utf-16"]
)
def test_an_encoding_that_cannot_be_read_is_named(tmp_path: Path, encoding: str) -> None:
    head = HEAD.replace("UTF-8", encoding)
    path = tmx(tmp_path / "m.tmx", tuv("en", "a") + tuv("de", "b"), head=head)
    with pytest.raises(DataError, match=r"m\.tmx: .*encoding") as raised:
        open_corpora(str(path), FilesOptions(), "en")
    assert encoding[:20].replace("ü", "") in str(raised.value).replace("\ufffd", "")
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("token", ['<prop a="{}"/>', "<!--{}-->", "<?x {}?>", "<{}/>"])
def test_long_tokens_take_linear_time_and_end_at_a_limit(
    tmp_path: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tuv("en", "a") + tuv("de", "b")
    path = tmx(tmp_path / "m.tmx", token.format("x" * 4_000_000) + unit)
    began = time.process_time()
    assert pairs(str(path)) == [("b", "a", 1)]
    # Work that grows with the square took 1 s; this takes 0.1 s.
    assert time.process_time() - began < 0.7
    monkeypatch.setattr(tmx_units, "MAX_TOKEN", 2**20)
    path = tmx(tmp_path / "m.tmx", token.format("x" * 3 * 2**20) + unit)
    with pytest.raises(DataError, match=r"m\.tmx:4: .* of more than 1 MiB"):
        pairs(str(path))


def test_a_long_segment_is_one_overlong_unit_and_a_longer_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tuv("en", "a") + tuv("de", "b")
    path = tmx(tmp_path / "m.tmx", tuv("en", "a") + tuv("de", "x " * 6_000), good)
    (corpus,) = open_corpora(str(path), FilesOptions(), "en")
    assert [(p.line, p.kind) for p in corpus.problems()] == [(1, "overlong")]
    monkeypatch.setattr(tmx_units, "MAX_TOKEN", 2**20)
    path = tmx(tmp_path / "m.tmx", tuv("en", "a") + tuv("de", "x" * (2**20 + 2)), good)
    with pytest.raises(DataError, match=r"a segment of more than 1 MiB"):
        open_corpora(str(path), FilesOptions(), "en")
