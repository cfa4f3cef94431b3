import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError, OTXError, PluginError
from otx.files import atomic
from otx.files.digests import content_key
from otx.runs import results
from otx.runs.folder import RunFolder
from otx.runs.results import (
    EvalUnit,
    Predictions,
    evaluated_tasks,
    find_unit,
    read_scores,
    read_units,
    write_unit,
)
from otx.types import Score

SCORES = [
    Score("q1", "Абзац 1", {"f1": 1 / 3, "n": 1.0}),
    Score("q2", "Абзац 1", {"f1": 1.0, "n": 1.0}),
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "one", kind="align", settings={})


@pytest.fixture
def unit() -> EvalUnit:
    return EvalUnit(
        task="qa",
        task_version="1",
        language="zh-TW",
        metrics={"f1": 2 / 3},
        alignment_seed=1,
        head_seed=3,
        key=content_key(a=1),
        data_digest="data",
        model_digest="model",
        training_digest="training",
        count=2,
        floor=None,
        options={"stride": 128},
        contamination={"hits": 0, "size": 4},
        seconds=0.5,
        versions={"otx": "0.1.0"},
        data="folder/xquad",
    )


def test_a_unit_comes_back_whole(run: RunFolder, unit: EvalUnit) -> None:
    with Predictions(run, "qa") as predictions:
        predictions.add("q1", "答案")
        predictions.add("q2", {"text": "x"})
        path = write_unit(run, unit, SCORES, predictions)
    found = find_unit(run, unit.key)
    assert found is not None
    assert replace(found, written="") == unit
    assert found.written.startswith("20")
    assert read_units(run) == [found]
    assert read_scores(run, found) == SCORES
    assert path.name == f"zh-TW.3.{unit.key[:12]}.json"
    with gzip.open(path.with_suffix(".predictions.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert rows == [
        {"example": "q1", "prediction": "答案"},
        {"example": "q2", "prediction": {"text": "x"}},
    ]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"head_seed": None}, "de.probe."),
        ({"head_seed": None, "floor": "majority"}, "de.majority."),
        ({"language": "a/b c"}, "a-b-c.3."),
    ],
)
def test_a_unit_is_named_for_what_it_is(
    run: RunFolder, unit: EvalUnit, changes: dict[str, Any], name: str
) -> None:
    path = write_unit(run, replace(unit, **{"language": "de", **changes}), SCORES)
    assert path.name.startswith(name)
    assert evaluated_tasks(run) == {"qa"}


def test_only_the_very_key_is_found(run: RunFolder, unit: EvalUnit) -> None:
    write_unit(run, unit, SCORES)
    assert find_unit(run, content_key(a=2)) is None
    assert find_unit(run, unit.key[:12] + "0" * 52) is None


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_unit_whose_writing_was_cut_off_is_not_there(
    run: RunFolder, unit: EvalUnit, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def dies(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == killed_at:
            path.with_name(f".partial-1-{path.name}").write_bytes(content[:5])
            raise OTXError("killed")
        real(path, content)

    real = atomic.write
    (run.results / "qa").mkdir(parents=True)
    with (
        monkeypatch.context() as patched,
        pytest.raises(OTXError, match="killed"),
        Predictions(run, "qa") as predictions,
    ):
        patched.setattr(results.atomic, "write", dies)
        write_unit(run, unit, SCORES, predictions)
    assert find_unit(run, unit.key) is None
    assert read_units(run) == []
    write_unit(run, unit, SCORES)
    assert read_scores(run, unit) == SCORES


def test_a_unit_without_its_scores_is_computed_again(run: RunFolder, unit: EvalUnit) -> None:
    path = write_unit(run, unit, SCORES)
    path.with_suffix(".scores.jsonl.gz").unlink()
    assert find_unit(run, unit.key) is None


def test_damaged_scores_are_named(run: RunFolder, unit: EvalUnit) -> None:
    path = write_unit(run, unit, SCORES).with_suffix(".scores.jsonl.gz")
    whole = path.read_bytes()
    for broken in (whole[:-6], whole[:20] + b"\x00" + whole[21:], b"", gzip.compress(b"nonsense")):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"scores\.jsonl\.gz"):
            read_scores(run, unit)
    path.write_bytes(gzip.compress(gzip.decompress(whole).split(b"\n")[0] + b"\n"))
    with pytest.raises(DataError, match="has 1 scores, not 2"):
        read_scores(run, unit)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}'])
def test_a_damaged_unit_is_named(run: RunFolder, unit: EvalUnit, text: str) -> None:
    path = write_unit(run, unit, SCORES)
    path.write_text(text)
    with pytest.raises(DataError, match=path.name):
        read_units(run)


def test_another_schema_gives_advice(run: RunFolder, unit: EvalUnit) -> None:
    path = write_unit(run, unit, SCORES)
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 7'))
    with pytest.raises(DataError, match="has schema 7, and this otx reads 1"):
        read_units(run)


def test_a_released_result_still_reads() -> None:
    run = RunFolder.open(Path(__file__).parent / "released", "schema-1")
    unit = find_unit(run, "ab" * 32)
    assert unit is not None
    assert (unit.task, unit.language, unit.metrics) == ("nli", "de", {"accuracy": 0.5})
    assert read_scores(run, unit) == [
        Score("1", "p1", {"hit": 1.0, "n": 1.0}),
        Score("2", "p1", {"hit": 0.0, "n": 1.0}),
    ]


def test_a_prediction_that_is_no_json_is_the_plugins_fault(run: RunFolder, unit: EvalUnit) -> None:
    with (
        Predictions(run, "qa") as predictions,
        pytest.raises(PluginError, match="a prediction of task qa is not JSON"),
    ):
        predictions.add("q1", object())
    assert not list(run.results.rglob("*predictions*"))


def test_the_same_scores_are_the_same_bytes(run: RunFolder, unit: EvalUnit) -> None:
    path = write_unit(run, unit, SCORES).with_suffix(".scores.jsonl.gz")
    first = path.read_bytes()
    path.unlink()
    write_unit(run, unit, SCORES)
    assert path.read_bytes() == first


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1), st.randoms())
def test_a_key_is_of_the_content_in_any_order(parts: dict[str, Any], random: Any) -> None:
    names = list(parts)
    random.shuffle(names)
    assert content_key(**parts) == content_key(**{name: parts[name] for name in names})
    assert content_key(**parts) != content_key(**{**parts, names[0]: [parts[names[0]], "more"]})


def test_a_key_is_the_sha256_of_the_parts() -> None:
    # printf '{"a":1,"b":"ü"}' | sha256sum
    known = "1a59e522e02ce50ad2c27c11a6d30f8667489c199580627fe9e3e33e2b0e91d5"
    assert content_key(b="ü", a=1) == known


PATCHES: list[dict[str, Any]] = [
    {"metrics": None}, {"metrics": []}, {"metrics": {"f1": None}}, {"contamination": {}}, {"contamination": None},
    {"contamination": {"hits": "0", "size": 4}}, {"count": "2"}, {"head_seed": "3"}, {"task": None}, {"options": []},
    {"versions": {"otx": 1}}, {"fit": {}}, {"fit": 3}, {"encoder_options": None}, {"seconds": None}, {"key": 5},
    {"schema": "1"},
]  # fmt: skip


@pytest.mark.parametrize("patch", PATCHES, ids=json.dumps)
def test_a_unit_of_another_form_is_no_result(
    run: RunFolder, unit: EvalUnit, patch: dict[str, Any]
) -> None:
    path = write_unit(run, unit, SCORES)
    path.write_text(json.dumps(json.loads(path.read_text()) | patch))
    for read in (lambda: read_units(run), lambda: find_unit(run, unit.key)):
        with pytest.raises(DataError, match="is not a result") as caught:
            read()
        assert path.name in caught.value.message and caught.value.remedy


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "3", "{", '{"schema": ' + "9" * 5000 + "}"])
def test_odd_json_is_no_result(run: RunFolder, unit: EvalUnit, text: str) -> None:
    write_unit(run, unit, SCORES).write_text(text)
    with pytest.raises(DataError, match="is not a result"):
        read_units(run)


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, "3", "{}", '{"example": "q", "cluster": "c", "statistics": null}',
     '{"example": "q", "cluster": "c", "statistics": {"n": null}}',
     '{"example": 3, "cluster": "c", "statistics": {"n": 1}}'],
)  # fmt: skip
def test_scores_of_another_form_are_named(run: RunFolder, unit: EvalUnit, line: str) -> None:
    path = write_unit(run, unit, SCORES).with_suffix(".scores.jsonl.gz")
    path.write_bytes(gzip.compress(f"{line}\n{line}\n".encode()))
    with pytest.raises(DataError, match=r"scores.*cannot be read.*scores\.jsonl\.gz|the scores in"):
        read_scores(run, unit)
