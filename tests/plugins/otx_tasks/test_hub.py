import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest

from otx.errors import DataError
from otx_tasks.hub import parquet_rows
from otx_tasks.options import XnliOptions, XquadOptions
from otx_tasks.xnli import XnliTask
from otx_tasks.xquad import XquadTask


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

    def put(name: str, config: str, split: str, rows: list[Any]) -> None:
        path = tmp_path / name / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows).to_parquet(path)

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
