import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.errors import DataError
from otx_tasks.tagging.tagged_files import Tagged, read_tagged
from tests.examples import examples

Write = Callable[[str, str], Path]
WORD = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=8)
SENTENCE = st.lists(st.tuples(WORD, st.sampled_from(["NOUN", "VERB"])), min_size=1, max_size=6)


def anything(tag: str) -> bool:
    return True


@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SENTENCE, min_size=1, max_size=4), st.sampled_from(["\n", "\n\n"]))
def test_what_is_written_in_two_columns_is_read(
    tmp_path: Path, sentences: list[list[tuple[str, str]]], ending: str
) -> None:
    blocks = ["".join(f"{word}\t{tag}\n" for word, tag in own) for own in sentences]
    (tmp_path / "x.tsv").write_text(ending.join(blocks))
    found = read_tagged(tmp_path / "x.tsv", anything)
    assert [[*zip(own.words, own.tags, strict=True)] for own in found] == sentences


def test_conllu_gives_words_upos_and_names(write: Write) -> None:
    text = (
        "# newdoc id = n1\n# sent_id = n1-7\n# text = vámonos al mar\n"
        "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_\n"
        "2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n"
        "2.1\tx\tx\tX\t_\t_\t_\t_\t_\t_\n"
        "3\t10 000\t10000\tNUM\t_\t_\t1\tobl\t_\t_\n\n"
        "1\tmar\tmar\tNOUN\t_\t_\t0\troot\t_\t_\n"
    )
    for name in ("es_pud-ud-test.conllu", "es_pud-ud-test.conllu.gz"):
        assert read_tagged(write(name, text), anything) == [
            Tagged("n1-7", ("vamos", "nos", "10_000"), ("VERB", "PRON", "NUM")),
            Tagged("line-10", ("mar",), ("NOUN",)),
        ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.tsv", "Haus\tNOUN\nnur\n", r"x\.tsv:2: no word and tag"),
        ("x.tsv", "Haus\tNAUN\n", r"x\.tsv:1: tag 'NAUN' is not one"),
        ("x.conllu", "1\tHaus\tNOUN\n", r"x\.conllu:1: 3 columns, CoNLL-U has 10"),
        ("x.tsv", "\n\n", "no sentence"),
    ],
)
def test_what_cannot_be_read_is_named(write: Write, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_tagged(write(name, text), {"NOUN", "VERB"}.__contains__)


def test_the_real_files_are_read_whole(shared_data: Path) -> None:
    sizes = {}
    for path in sorted((shared_data / "pos/ud-pud").iterdir()):
        found = read_tagged(path, anything)
        sizes[path.name] = len(found)
        text = gzip.decompress(path.read_bytes()).decode()
        words = [line for line in text.split("\n") if line.split("\t")[0].isdigit()]
        assert sum(len(own.words) for own in found) == len(words)
    assert set(sizes.values()) == {1000} and len(sizes) == 10
