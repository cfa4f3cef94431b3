import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError
from otx_tasks.qa.squad import UNLOCATED, locate_answers, read_squad
from tests.examples import examples

Write = Callable[[str, str], Path]
CONTEXT = "Zoë 😀 baute 1931 die Brücke."


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_offsets_count_characters(write: Write, squad_json: Callable[..., str], name: str) -> None:
    path = write(name, squad_json({"A": {CONTEXT: [("q1", "Wann?", [("1931", 12)])]}}))
    (example,) = read_squad(path).examples
    start = example.fields["starts"][0]
    assert example.fields["context"][start : start + 4] == "1931"
    assert (example.id, example.cluster, example.fields["article"]) == ("q1", "0", "A")


def test_a_wrong_offset_is_refused_and_told(write: Write, squad_json: Callable[..., str]) -> None:
    utf16 = 13  # where the answer is if the emoji counts twice
    path = write(
        "a.json", squad_json({"A": {CONTEXT: [("q1", "?", [("1931", utf16), ("die", 17)])]}})
    )
    questions = read_squad(path)
    assert questions.examples[0].fields["starts"] == [UNLOCATED, 17]
    (problem,) = questions.problems
    assert (problem.line, problem.kind) == (1, "answer-offset")
    assert "question q1: '1931' is not at character 13" in problem.reason


def test_clusters_are_paragraphs(write: Write, squad_json: Callable[..., str]) -> None:
    path = write(
        "a.json",
        squad_json(
            {
                "A": {
                    "x y": [("1", "?", [("x", 0)]), ("2", "?", [("y", 2)])],
                    "z": [("3", "?", [])],
                },
                "B": {"w": [("4", "?", [("w", 0)])]},
            }
        ),
    )
    assert [e.cluster for e in read_squad(path).examples] == ["0", "0", "1", "2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not in the SQuAD v1.1 layout"),
        ('{"data": [{"paragraphs": [{"context": "x"}]}]}', "not in the SQuAD v1.1 layout"),
    ],
)
def test_other_files_are_refused(write: Write, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_squad(write("a.json", content))


def test_duplicate_ids_are_refused(write: Write, squad_json: Callable[..., str]) -> None:
    path = write(
        "a.json", squad_json({"A": {"x": [("q", "?", [("x", 0)]), ("q", "?", [("x", 0)])]}})
    )
    with pytest.raises(DataError, match="1 duplicate ids, the first is q"):
        read_squad(path)


def test_the_hubs_rows_give_the_same_examples(write: Write, squad_json: Callable[..., str]) -> None:
    path = write(
        "a.json",
        squad_json(
            {
                "A": {
                    "x y": [("1", "?", [("x", 0)]), ("2", "?", [("y", 2)])],
                    "z": [("3", "?", [("z", 0)])],
                }
            }
        ),
    )
    rows: list[dict[str, Any]] = [
        {
            "id": e.id,
            "title": "A",
            "context": e.fields["context"],
            "question": e.fields["question"],
            "answers": {"text": e.fields["answers"], "answer_start": e.fields["starts"]},
        }
        for e in read_squad(path).examples
    ]
    assert locate_answers(rows, "hub").examples == read_squad(path).examples


def test_real_files(shared_data: Path) -> None:
    first = None
    for language in ("en", "de", "es", "ru", "ar", "zh", "th", "tr"):
        questions = read_squad(shared_data / "qa" / "xquad" / f"xquad.{language}.json.gz")
        assert questions.problems == []
        names = [(e.id, e.cluster) for e in questions.examples]
        first = first or names
        assert names == first
        assert (len(names), len({cluster for _, cluster in names})) == (1190, 240)
    dev = read_squad(shared_data / "qa" / "squad-v1.1" / "dev-v1.1.json.gz")
    assert (len(dev.examples), len(dev.problems)) == (10570, 0)


WHOLE = {
    "data": [
        {
            "title": "A",
            "paragraphs": [
                {
                    "context": "x y",
                    "qas": [
                        {"id": "1", "question": "?", "answers": [{"text": "x", "answer_start": 0}]}
                    ],
                }
            ],
        }
    ]
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    for key in (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    ):
        yield from places(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


@given(place=st.sampled_from(sorted(places(WHOLE), key=str)), other=JSON)
@examples(200)
def test_any_other_value_anywhere_is_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], other: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.json"
    path.write_text(json.dumps(replaced(WHOLE, place, other)))
    try:
        questions = read_squad(path)
    except DataError as error:
        assert "odd.json" in error.message
        return
    for example in questions.examples:
        fields = example.fields
        texts = [example.id, fields["question"], fields["context"], *fields["answers"]]
        assert all(isinstance(text, str) for text in texts)


@pytest.mark.parametrize("name", ["context", "id"])
def test_a_wrong_type_is_named_with_its_question(write: Write, name: str) -> None:
    place = ("data", 0, "paragraphs", 0, *(() if name == "context" else ("qas", 0)), name)
    path = write("a.json", json.dumps(replaced(WHOLE, place, {"a": 1})))
    number = "article 1" if name == "context" else "question 1"
    with pytest.raises(DataError, match=rf"a\.json: {number} .* no {name} that is text"):
        read_squad(path)
