from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants

from otx.errors import DataError, UsageError
from otx_corpora.hub import open_corpora
from otx_corpora.options import HubOptions

ROWS = [("eins", "one"), ("zwei", None), ("drei\x00", "three"), ("vier", "four")]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    return tmp_path / "cache"


def translations() -> datasets.Dataset:
    return datasets.Dataset.from_list([{"translation": {"de": a, "en": b}} for a, b in ROWS])


def parquet(folder: Path, rows: datasets.Dataset) -> str:
    folder.mkdir(exist_ok=True)
    rows.to_parquet(folder / "train-00000-of-00001.parquet")
    return str(folder)


def pairs(corpus: Any) -> list[tuple[str, str, int]]:
    return [(p.source, p.pivot, p.line) for p in map(corpus.__getitem__, range(len(corpus)))]


class FakeHub:
    """The Hub's two answers, and how often each was asked for."""

    def __init__(self, folder: str, commit: str = COMMIT) -> None:
        self.folder, self.commit = folder, commit
        self.asked: list[str | None] = []
        self.loaded: list[str] = []
        self.configs: list[str | None] = []

    def dataset_info(self, spec: str, *, revision: str | None, timeout: float) -> SimpleNamespace:
        self.asked.append(revision)
        return SimpleNamespace(sha=self.commit if revision in (None, "main") else revision)

    def load(self, spec: str, *, name: str | None, split: str, revision: str | None) -> Any:
        self.loaded.append(revision)
        self.configs.append(name)
        return load(self.folder if name is None else f"{self.folder}-{name}", split=split)


load = datasets.load_dataset


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    made = FakeHub(parquet(tmp_path / "remote", translations()))
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    monkeypatch.setattr(datasets, "load_dataset", made.load)
    return made


def test_a_folder_of_parquet_is_cleaned_as_files_are(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = parquet(tmp_path / "local", translations())
    capfd.readouterr()
    (corpus,) = open_corpora(folder, HubOptions(), "en")
    assert pairs(corpus) == [("eins", "one", 1), ("vier", "four", 4)]
    assert (corpus.source_language, corpus.pivot_language) == ("de", "en")
    assert [(p.line, p.kind) for p in corpus.problems()] == [(2, "empty"), (3, "nul")]
    assert corpus.problems()[0].file == f"{folder} en"
    assert capfd.readouterr() == ("", "")


def test_a_changed_folder_is_read_again(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "local", translations())
    (first,) = open_corpora(folder, HubOptions(), "en")
    parquet(tmp_path / "local", datasets.Dataset.from_list([{"de": "neu", "en": "new"}]))
    (second,) = open_corpora(folder, HubOptions(), "en")
    assert pairs(second) == [("neu", "new", 1)]
    assert first.fingerprint() != second.fingerprint()


def test_the_commit_of_the_first_download_is_recorded_and_kept(fake: FakeHub, cache: Path) -> None:
    (corpus,) = open_corpora("org/name", HubOptions(), "en")
    assert corpus.name == f"org/name@{COMMIT}"
    assert fake.loaded == [COMMIT]
    assert json.loads((cache / "hub" / "org--name.json").read_text()) == {"revision": COMMIT}
    fake.commit = "f" * 40
    fake.asked.clear()
    (again,) = open_corpora("org/name", HubOptions(), "en")
    assert again.name == corpus.name
    assert pairs(again) == pairs(corpus)
    assert fake.asked == []
    assert fake.loaded == [COMMIT]


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"revision": "main"}', "[" * 100_000])
def test_a_damaged_record_of_the_commit_is_named(fake: FakeHub, cache: Path, record: str) -> None:
    (cache / "hub").mkdir(parents=True)
    (cache / "hub" / "org--name.json").write_text(record)
    with pytest.raises(DataError, match=r"org--name\.json"):
        open_corpora("org/name", HubOptions(), "en")


def test_two_configurations_of_one_data_set(fake: FakeHub, cache: Path) -> None:
    for config, language in (("de-en", "de"), ("en-fr", "fr")):
        rows = [{"translation": {language: f"{language} one", "en": "one"}}]
        parquet(Path(f"{fake.folder}-{config}"), datasets.Dataset.from_list(rows))
    german, french = (
        open_corpora(f"org/name#{config}", HubOptions(config="never"), "en")[0]
        for config in ("de-en", "en-fr")
    )
    assert pairs(german) == [("de one", "one", 1)]
    assert pairs(french) == [("fr one", "one", 1)]
    assert (german.name, french.name) == (f"org/name#de-en@{COMMIT}", f"org/name#en-fr@{COMMIT}")
    assert fake.configs == ["de-en", "en-fr"]
    assert json.loads((cache / "hub" / "org--name.json").read_text()) == {"revision": COMMIT}
    (again,) = open_corpora("org/name", HubOptions(config="de-en"), "en")
    assert (again.name, again.fingerprint()) == (german.name, german.fingerprint())


def test_a_mark_in_a_folders_name_is_no_configuration(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "c#1", translations())
    (corpus,) = open_corpora(folder, HubOptions(), "en")
    assert (corpus.name, len(corpus)) == (folder, 2)


@pytest.mark.parametrize("spec", ["org/name#", "#de-en"])
def test_a_mark_stands_between_a_data_set_and_its_configuration(spec: str) -> None:
    with pytest.raises(UsageError, match=r"has nothing before or after its #.*hub:org/name#CONFIG"):
        open_corpora(spec, HubOptions(), "en")


def test_a_given_revision_is_resolved_to_its_commit(fake: FakeHub, cache: Path) -> None:
    (corpus,) = open_corpora("org/name", HubOptions(revision="main"), "en")
    assert corpus.name == f"org/name@{COMMIT}"
    assert fake.asked[0] == "main"
    assert not (cache / "hub" / "org--name.json").exists()


def test_offline_what_was_read_opens_and_the_rest_is_said_at_once(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_corpora("org/name", HubOptions(), "en")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fake.asked.clear()
    for revision in (None, COMMIT):
        (corpus,) = open_corpora("org/name", HubOptions(revision=revision), "en")
        assert len(corpus) == 2
    for spec, options in [
        ("org/other", HubOptions()),
        ("org/name", HubOptions(split="validation")),
        ("org/name", HubOptions(revision="main")),
        ("org/name", HubOptions(revision="f" * 40)),
    ]:
        with pytest.raises(
            DataError, match=rf"{spec}.*HF_HUB_OFFLINE.*--corpus hub:FOLDER"
        ) as told:
            open_corpora(spec, options, "en")
        assert told.value.exit_code == 3
    assert fake.asked == []


def test_without_a_network_there_are_no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(*address: Any, **options: Any) -> None:
        tried.append(address)
        raise socket.gaierror("no network")

    def waits(seconds: float) -> None:
        raise AssertionError(f"it waited {seconds} s to try again")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(time, "sleep", waits)
    with pytest.raises(DataError, match=r"data set org/name cannot be loaded: .*hub:FOLDER"):
        open_corpora("org/name", HubOptions(), "en")
    assert len(tried) <= 2  # the client asks once on its own account


def test_columns(tmp_path: Path) -> None:
    rows = [{"sentence1": "one", "sentence2": "eins", "id": 7, "t": {"xx": "x"}}]
    folder = parquet(tmp_path / "local", datasets.Dataset.from_list(rows))
    options = HubOptions(columns=("en:sentence1", "de:sentence2"))
    assert pairs(open_corpora(folder, options, "en")[0]) == [("eins", "one", 1)]
    options = HubOptions(columns=("en:sentence1", "de:t.xx"))
    assert pairs(open_corpora(folder, options, "en")[0]) == [("x", "one", 1)]
    for columns, message in [
        ((), r"two languages are not recognised in its columns sentence1, sentence2.*hub\.columns"),
        (("en:sentence1", "de:t.yy"), r"has no column t\.yy"),
        (("en:sentence1", "de:nothing"), "has no column nothing"),
        (("en:sentence1", "de:id"), "column id holds int, not text"),
        (("en:sentence1", "en:sentence2"), "two languages are not recognised"),
    ]:
        with pytest.raises(UsageError, match=message):
            open_corpora(folder, HubOptions(columns=columns), "en")
    with pytest.raises(UsageError, match="the pivot is fr"):
        open_corpora(folder, HubOptions(columns=("en:sentence1", "de:sentence2")), "fr")


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    folder = parquet(tmp_path / "local", translations())
    with pytest.raises(DataError, match=r"\(config None, dev\) cannot be loaded.*dev"):
        open_corpora(folder, HubOptions(split="dev"), "en")
    with pytest.raises(UsageError, match="needs a data set"):
        open_corpora("", HubOptions(), "en")
