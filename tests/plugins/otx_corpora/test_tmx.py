"""Translation memories: what is written is read, inline codes are not text, and what cannot be read is named."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.errors import DataError, UsageError
from otx_corpora.files import open_corpora
from otx_corpora.options import FilesOptions
from otx_corpora.tmx import units
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
    assert list(units(path)) == spaced


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


def test_a_missing_or_empty_side_is_a_problem_of_its_unit(tmp_path: Path) -> None:
    path = tmx(
        tmp_path / "m.tmx",
        tuv("en", "one") + tuv("de", "eins"),
        tuv("en", "two"),
        tuv("en", "three") + tuv("de", "  "),
        tuv("en", "four") + tuv("de", "vier") + tuv("de", "die Vier"),
    )
    (corpus,) = open_corpora(str(path), FilesOptions(), "en")
    assert [(p.line, p.kind, p.reason) for p in corpus.problems()] == [
        (2, "missing", "the translation unit has no de"),
        (3, "empty", "nothing in the line"),
    ]
    assert [(p.source, p.line) for p in (corpus[i] for i in range(len(corpus)))] == [
        ("eins", 1),
        ("vier", 4),
    ]


def test_several_languages_are_several_corpora(tmp_path: Path) -> None:
    path = tmx(tmp_path / "m.tmx", tuv("en", "one") + tuv("de", "eins") + tuv("es-MX", "uno"))
    found = open_corpora(str(path), FilesOptions(), "en")
    assert [corpus.source_language for corpus in found] == ["de", "es"]
    assert pairs(f"{path}#es") == [("uno", "one", 1)]
    with pytest.raises(UsageError, match="has no fr beside en"):
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
    with pytest.raises(DataError, match=r"m\.tmx:2: it declares the entity a"):
        open_corpora(str(path), FilesOptions(), "en")


def test_a_file_is_read_once_and_its_text_is_what_counts(tmp_path: Path) -> None:
    unit = tuv("en", "one") + tuv("de", "eins")
    (first,) = open_corpora(str(tmx(tmp_path / "a.tmx", unit)), FilesOptions(), "en")
    (again,) = open_corpora(str(tmx(tmp_path / "b.tmx", unit)), FilesOptions(), "en")
    (other,) = open_corpora(str(tmx(tmp_path / "c.tmx", unit, unit)), FilesOptions(), "en")
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
