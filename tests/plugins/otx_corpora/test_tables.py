"""One file with both sides: in the forms in which bitext is distributed, with each fault on one line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from otx.config.validation import SettingError
from otx.data.ledger import count_lines
from otx.errors import DataError, UsageError
from otx.interfaces import Corpus
from otx_corpora.files import open_corpora
from otx_corpora.options import FilesOptions

PAIRS = [("one", "eins"), ("two", "zwei"), ("three", "drei")]
EXPECTED = [(de, en) for en, de in PAIRS]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str, encoding: str = "utf-8") -> str:
    raw = text.encode(encoding)
    Path(name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return name


def tsv(rows: Sequence[Sequence[str]], *header: str) -> str:
    return "".join("\t".join(row) + "\n" for row in [*([header] if header else []), *rows])


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def keyed(en: str, de: str) -> str:
    return jsonl(*({en: e, de: d, "id": n, "score": 0.5} for n, (e, d) in enumerate(PAIRS)))


def pairs(corpus: Corpus) -> list[tuple[str, str]]:
    return [(p.source, p.pivot) for p in map(corpus.__getitem__, range(len(corpus)))]


def opened(spec: str, pivot: str = "en", **options: object) -> list[Corpus]:
    return open_corpora(spec, FilesOptions(**options), pivot)  # type: ignore[arg-type]


TABLES = {
    "x.en-de.tsv": tsv(PAIRS),
    "x.en-de.tsv.gz": tsv(PAIRS),
    "TED2020-en-de-train.tsv.gz": tsv(PAIRS),
    "wmt-dev_en-de.tsv": tsv(PAIRS),
    "x.de-en.tsv": tsv([(de, en) for en, de in PAIRS]),
    "pairs.tsv": tsv(PAIRS, "en", "de"),
    "numbered.tsv": tsv([(str(n), *pair) for n, pair in enumerate(PAIRS)], "id", "en", "de"),
    "headed.en-de.tsv": tsv(PAIRS, "source", "target"),
    "english.de-en.tsv": tsv(PAIRS, "english", "non_english"),
    "deu.jsonl": keyed("en", "de"),
    "packed.jsonl.gz": keyed("en", "de"),
    "t.jsonl": jsonl(*({"translation": {"en": e, "de": d}} for e, d in PAIRS)),
    "st.en-de.jsonl": keyed("english", "non_english"),
    "st.de-en.jsonl": keyed("english", "non_english"),
    "sides.en-de.jsonl": keyed("sentence1", "sentence2"),
}


@pytest.mark.parametrize("name", TABLES)
def test_files_as_they_are_distributed_are_corpora(name: str) -> None:
    (corpus,) = opened(write(name, TABLES[name]))
    assert pairs(corpus) == EXPECTED and corpus.name == name
    assert (corpus.source_language, corpus.pivot_language) == ("de", "en")
    assert corpus.problems() == []
    (swapped,) = opened(name, "de")
    assert pairs(swapped) == PAIRS


UNTOLD = {
    "pairs.tsv": tsv(PAIRS),
    "x.en-de-fr.tsv": tsv(PAIRS),
    "st.jsonl": keyed("english", "non_english"),
    "q.jsonl": keyed("question", "answer"),
    "empty.tsv": "",
    "empty.jsonl": "",
    "bad.jsonl": "[1\n" + "[" * 99_000 + "\n" + "9" * 5_000 + "\n",
}


@pytest.mark.parametrize("name", UNTOLD)
def test_where_the_languages_cannot_be_told_the_option_is_named(name: str) -> None:
    with pytest.raises(
        UsageError, match=r"columns of .* are not recognised.*files\.columns"
    ) as raised:
        opened(write(name, UNTOLD[name]))
    assert ".en-de." in str(raised.value)


def test_a_name_with_two_languages_does_not_say_which_of_three_columns_they_are() -> None:
    name = write("scored.en-de.tsv", tsv([("0.9", *pair) for pair in PAIRS]))
    with pytest.raises(UsageError, match=r"3 columns.*files\.columns") as raised:
        opened(name)
    assert "into its name" not in str(raised.value)


def test_columns_say_where_the_sides_are() -> None:
    scored = write("s.tsv", tsv([("0.9", *pair) for pair in PAIRS]))
    assert pairs(opened(scored, columns=("en:2", "de:3"))[0]) == EXPECTED
    # A cell of the first row that looks like a number of a column is no header.
    looks = write("n.tsv", tsv([(*pair, str(n)) for n, pair in enumerate(PAIRS, start=1)]))
    assert pairs(opened(looks, columns=("en:1", "de:2"))[0]) == EXPECTED
    headed = write("h.tsv", tsv([("0.9", *pair) for pair in PAIRS], "score", "English", "German"))
    assert pairs(opened(headed, columns=("en:English", "de:3"))[0]) == EXPECTED
    keys = write("k.jsonl", jsonl(*({"q": e, "a": {"text": d}} for e, d in PAIRS)))
    assert pairs(opened(keys, columns=("en:q", "de:a.text"))[0]) == EXPECTED
    for columns in (("en:q", "de:b"), ("en:q", "en:q")):
        with pytest.raises(UsageError, match=r"files\.columns"):
            opened(keys, columns=columns)
    with pytest.raises(UsageError, match="the pivot is fr"):
        opened(keys, "fr", columns=("en:q", "de:a.text"))
    with pytest.raises(SettingError):
        FilesOptions(columns=("en",))


def test_a_wide_table_is_a_corpus_a_language_and_lacks_nothing() -> None:
    rows = [("one", "eins", "uno"), ("two", "", "dos"), ("three", "drei", "")]
    name = write("talks.tsv", tsv(rows, "en", "de", "es"))
    german, spanish = opened(name)
    assert (pairs(german), pairs(spanish)) == (
        [("eins", "one"), ("drei", "three")],
        [("uno", "one"), ("dos", "two")],
    )
    assert [german[1].line, german.problems(), german.name] == [4, [], "talks.tsv#de"]
    (alone,) = opened(f"{name}#es")
    assert alone.source_language == "es"
    with pytest.raises(UsageError, match="has no fr besides en"):
        opened(f"{name}#fr")


def test_each_fault_costs_its_line() -> None:
    lines = ["one\teins", "two", "", "three\tdrei\tIII", "\tvier", "a\x07\tb", "six\tsechs"]
    (corpus,) = opened(write("x.en-de.tsv", "\n".join(lines)))
    assert [corpus[i].line for i in range(len(corpus))] == [1, 7]
    assert [(p.line, p.kind) for p in corpus.problems()] == [
        (2, "columns"), (3, "empty"), (4, "columns"), (5, "empty"), (6, "control"),
    ]  # fmt: skip
    assert count_lines(corpus).read == len(lines)
    rows = ['{"en": "one", "de": "eins"}', "{", "[]", '{"en": 1, "de": "x"}', '{"id": 3}']
    rows += ['{"en": "x", "de": null}', "[" * 99_000, '{"en": "\\ud800", "de": "y"}']
    rows += ['{"en": "nul\\u0000", "de": "y"}', '{"en": "t", "de": "two\\u0009"}']
    (corpus,) = opened(write("x.jsonl", "\n".join(rows)))
    assert [(p.line, p.kind) for p in corpus.problems()] == [
        (2, "json"), (3, "json"), (4, "json"), (5, "json"), (6, "empty"), (7, "json"),
        (8, "control"), (9, "nul"),
    ]  # fmt: skip
    assert count_lines(corpus).read == len(rows)


def test_a_long_line_is_refused_and_its_cells_have_the_limit_of_lines() -> None:
    rows = [("one", "eins"), ("x" * 21, "y"), ("x" * 2_000, "y")]
    (corpus,) = opened(write("x.en-de.tsv", tsv(rows)), max_characters=20)
    assert [(p.line, p.kind) for p in corpus.problems()] == [(2, "overlong"), (3, "overlong")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gbk"])
@pytest.mark.parametrize("name", ["x.en-zh.tsv", "x.jsonl"])
def test_other_encodings(name: str, encoding: str) -> None:
    text = tsv([("one", "你好")]) if name.endswith("tsv") else '{"en": "one", "zh": "你好"}\n'
    write(name, text, encoding)
    (corpus,) = opened(name, encoding="gbk")  # a byte-order mark goes first
    assert pairs(corpus) == [("你好", "one")]


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"x\.en-de\.tsv does not exist"):
        opened("x.en-de.tsv")
