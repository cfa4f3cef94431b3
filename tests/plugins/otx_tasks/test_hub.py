import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest

from otx.errors import DataError
from otx_tasks.classification.labelled_text import PawsxTask
from otx_tasks.classification.options import ClassificationOptions, XnliOptions
from otx_tasks.classification.xnli import XnliTask
from otx_tasks.hub import parquet_rows
from otx_tasks.qa.mlqa import MlqaTask
from otx_tasks.qa.options import MlqaOptions, TydiqaOptions, XquadOptions
from otx_tasks.qa.tydiqa import TydiqaTask
from otx_tasks.qa.xquad import XquadTask
from otx_tasks.tagging.ner import NerTask
from otx_tasks.tagging.options import TaggingOptions
from otx_tasks.tagging.pos import PosTask


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network in this test")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, str, list[Any]], None]:
    """Puts rows where the Hub's cache would have them."""

    def snapshot_download(name: str, **_: Any) -> str:
        return str(tmp_path / name)

    def put(name: str, config: str, split: str, rows: list[Any], features: Any = None) -> None:
        path = tmp_path / name / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return put


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (lambda: XquadTask(XquadOptions()).examples("de"), "xquad.XX.json"),
        (lambda: XquadTask(XquadOptions()).training(1), "train-v1.1.json"),
        (lambda: XnliTask(XnliOptions()).examples("de"), "test-XX.tsv"),
        (lambda: XnliTask(XnliOptions()).training(1), "--train"),
        (lambda: MlqaTask(MlqaOptions()).examples("de"), "test-context-XX-question-XX.json"),
        (lambda: TydiqaTask(TydiqaOptions()).training(1), "tydiqa.goldp.XX.dev.json"),
        (lambda: PosTask(TaggingOptions()).examples("de"), "pos's files with --data"),
        (lambda: NerTask(TaggingOptions()).training(1), "ner's files with --data"),
        (lambda: PawsxTask(ClassificationOptions()).training(1), "paws-x's files with --data"),
    ],
)
def test_offline_the_files_are_named_at_once(ask: Callable[[], Any], wanted: str) -> None:
    began = time.monotonic()
    with pytest.raises(DataError, match=wanted) as caught:
        ask()
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)


def test_rows_of_a_split(hub: Callable[..., None]) -> None:
    hub("a/b", "de", "test", [{"x": 1}, {"x": 2}])
    assert [row["x"] for row in parquet_rows("a/b", "de", "test", "give --data")] == [1, 2]
    with pytest.raises(DataError, match=r"a/b has no de/train-\*\.parquet.*give --data"):
        list(parquet_rows("a/b", "de", "train", "give --data"))


def test_xquad_from_the_hub(hub: Callable[..., None]) -> None:
    for language, context in (("en", "The bridge."), ("de", "Die Brücke.")):
        answer = {"text": [context[4:-1]], "answer_start": [4]}
        hub(
            "google/xquad",
            f"xquad.{language}",
            "validation",
            [{"id": "q", "context": context, "question": "?", "answers": answer}],
        )
    rows = [
        {
            "id": f"t{i}",
            "title": f"T{i}",
            "context": f"c {i}",
            "question": "?",
            "answers": {"text": ["c"], "answer_start": [0]},
        }
        for i in range(4)
    ]
    hub("rajpurkar/squad", "plain_text", "train", rows)
    xquad = XquadTask(XquadOptions())
    assert xquad.languages()[0] == "en" and len(xquad.languages()) == 12
    (example,) = xquad.examples("de")
    assert (example.id, example.cluster, example.fields["answers"]) == ("q", "0", ["Brücke"])
    assert [len(part) for part in xquad.training(1)] == [3, 1]


def test_xnli_from_the_hub(hub: Callable[..., None]) -> None:
    for language in ("en", "de"):
        rows = [
            {"premise": f"{language} {i // 3}", "hypothesis": f"h{i}", "label": i % 3}
            for i in range(6)
        ]
        hub("facebook/xnli", language, "test", rows)
    train = [{"premise": f"p{i}", "hypothesis": "h", "label": i % 3} for i in range(6)]
    hub("facebook/xnli", "en", "train", train)
    xnli = XnliTask(XnliOptions())
    assert len(xnli.languages()) == 15
    found = [(e.id, e.cluster, e.fields["label"]) for e in xnli.examples("de")]
    assert found[:4] == [
        ("row-1", "row-1", "entailment"), ("row-2", "row-1", "neutral"), ("row-3", "row-1", "contradiction"),
        ("row-4", "row-4", "entailment"),
    ]  # fmt: skip
    assert [len(part) for part in xnli.training(1)] == [5, 1]


def test_hub_rows_without_labels_are_refused(hub: Callable[..., None]) -> None:
    hub("facebook/xnli", "en", "test", [{"premise": "p", "hypothesis": "h", "label": -1}])
    with pytest.raises(DataError, match="row 1 has no label"):
        XnliTask(XnliOptions()).examples("en")


def squad_row(name: str, context: str) -> dict[str, Any]:
    answer = {"text": [context[:3]], "answer_start": [0]}
    return {"id": name, "title": context, "context": context, "question": "?", "answers": answer}


def tags(names: str, column: str) -> datasets.Features:
    kind = datasets.List(datasets.ClassLabel(names=names.split()))
    return datasets.Features({"tokens": datasets.List(datasets.Value("string")), column: kind})


def test_questions_of_xtremes_copy(hub: Callable[..., None]) -> None:
    hub("google/xtreme", "MLQA.en.en", "test", [squad_row("q", "The bridge.")])
    hub("google/xtreme", "MLQA.de.de", "test", [squad_row("q", "Die Brücke.")])
    hub("google/xtreme", "MLQA.de.de", "validation", [squad_row("v", "Der Fluss.")])
    mlqa = MlqaTask(MlqaOptions())
    assert mlqa.languages() == ["en", "ar", "de", "es", "hi", "vi", "zh"]
    assert [(e.id, e.cluster, e.fields["answers"]) for e in mlqa.examples("de")] == [
        ("q", "0", ["Die"])
    ]
    hub("google/xtreme", "MLQA.en.en", "validation", [squad_row("w", "The river.")])
    assert [e.id for e in MlqaTask(MlqaOptions(split="dev")).examples("de")] == ["v"]
    for split, count in (("train", 30), ("validation", 2)):
        rows = [
            squad_row(f"{language}-{split}-{i}", f"{language} {split} {i}")
            for language in ("english", "swahili")
            for i in range(count)
        ]
        hub("google/xtreme", "tydiqa", split, rows)
    tydi = TydiqaTask(TydiqaOptions())
    assert tydi.languages()[0] == "en" and len(tydi.languages()) == 9
    assert [e.id for e in tydi.examples("sw")] == ["swahili-validation-0", "swahili-validation-1"]
    assert {e.id.split("-")[0] for part in tydi.training(1) for e in part} == {"english"}


def test_tags_of_xtremes_copy_by_their_own_names(hub: Callable[..., None]) -> None:
    rows = [{"tokens": ["dogs", "run"], "pos_tags": [2, 1]}]
    many = [{"tokens": [f"w{i}", "runs"], "pos_tags": [2, 1]} for i in range(30)]
    features = tags("X VERB NOUN", "pos_tags")
    hub("google/xtreme", "udpos.German", "test", rows, features)
    hub("google/xtreme", "udpos.English", "test", rows, features)
    hub("google/xtreme", "udpos.English", "train", many, features)
    pos = PosTask(TaggingOptions())
    assert len(pos.languages()) == 33 and pos.languages()[0] == "en"
    (example,) = pos.examples("de")
    assert (example.id, example.fields["tags"]) == ("row-1", ["NOUN", "VERB"])
    assert sum(map(len, pos.training(1))) == 30
    entities = tags("O B-PER I-PER B-ORG I-ORG B-LOC I-LOC", "ner_tags")
    found = [{"tokens": ["in", "Lindau"], "ner_tags": [0, 5]}]
    hub("google/xtreme", "PAN-X.de", "validation", found, entities)
    ner = NerTask(TaggingOptions(split="dev"))
    assert len(ner.languages()) == 40
    assert ner.examples("de")[0].fields["tags"] == ["O", "B-LOC"]


def test_paraphrases_of_xtremes_copy(hub: Callable[..., None]) -> None:
    def row(number: int, name: str) -> dict[str, str]:
        return {"sentence1": f"{name} {number}", "sentence2": "b", "label": str(number % 2)}

    for language in ("en", "de"):
        hub("google/xtreme", f"PAWS-X.{language}", "test", [row(i, language) for i in range(4)])
    hub("google/xtreme", "PAWS-X.en", "train", [row(i, "train") for i in range(40)])
    paws = PawsxTask(ClassificationOptions())
    assert paws.languages() == ["en", "de", "es", "fr", "ja", "ko", "zh"]
    assert paws.classes == ["0", "1"]
    assert [e.cluster for e in paws.examples("de")] == ["row-1", "row-2", "row-3", "row-4"]
    assert sum(map(len, paws.training(1))) == 40
