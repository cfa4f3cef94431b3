"""The folder that XTREME's download script fills: every task of the suite finds its files in it by ``--data``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otx.config.settings import load_settings
from otx.plugin_host.host import host

LABELS = ("entailment", "neutral", "contradiction")
TAGGED = {"udpos": "a\tNOUN\nb\tVERB\n\n", "panx": "a\tB-PER\nb\tO\n\n"}


def squad(name: str) -> str:
    asked = {"id": name, "question": f"who {name}", "answers": [{"text": "one", "answer_start": 0}]}
    paragraphs = [{"context": f"one {name}", "qas": [asked]}]
    return json.dumps({"version": "1.1", "data": [{"title": name, "paragraphs": paragraphs}]})


def questions(count: int) -> str:
    data = [json.loads(squad(f"q{i}"))["data"][0] for i in range(count)]
    return json.dumps({"version": "1.1", "data": data})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file's name is one that download_data.sh and utils_preprocess.py write; test sets have their labels."""
    texts = {"squad/train-v1.1.json": questions(40), "mlqa/MLQA_V1/dev/x.json": squad("x")}
    for code in ("en", "de"):
        for split in ("dev", "test"):
            rows = [f"{split} {code} {i}\tis {i}" for i in range(3)]
            pairs = zip(rows, LABELS, strict=True)
            texts[f"xnli/{split}-{code}.tsv"] = "".join(f"{r}\t{label}\n" for r, label in pairs)
            texts[f"pawsx/{split}-{code}.tsv"] = "".join(
                f"{r}\t{i % 2}\n" for i, r in enumerate(rows)
            )
            for name, text in TAGGED.items():
                texts[f"{name}/{split}-{code}.tsv"] = text.replace("a", f"{split}{code}")
            name = f"mlqa/MLQA_V1/{split}/{split}-context-{code}-question-{code}.json"
            texts[name] = squad(f"mlqa{split}")
        texts[f"xquad/xquad.{code}.json"] = squad("xquad")
    numbers = range(60)
    texts["xnli/train-en.tsv"] = "".join(f"p {i}\th {i}\t{LABELS[i % 3]}\n" for i in numbers)
    texts["pawsx/train-en.tsv"] = "".join(f"p {i}\th {i}\t{i % 2}\n" for i in numbers)
    for name, text in TAGGED.items():
        texts[f"{name}/train-en.tsv"] = "".join(text.replace("a", f"train{i}") for i in numbers)
    for code in ("en", "fi"):
        place = "tydiqa/tydiqa-goldp-v1.1-{0}/tydiqa.goldp." + code + ".{0}.json"
        texts[place.format("dev")] = squad("tydi")
        texts[place.format("train")] = questions(40)
    for ending, text in {"de": "Hund\nKatze\n", "en": "dog\ncat\n"}.items():
        texts[f"tatoeba/de-en.{ending}"] = text
        for split in ("dev", "test"):
            texts[f"bucc2018/de-en.{split}.{ending}"] = f"{ending}-1\t{text.split()[0]}\n"
            texts[f"bucc2018/de-en.{split}.gold"] = "de-1\ten-1\n"
    root = tmp_path_factory.mktemp("download")
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("task", "languages"),
    [
        ("xnli", ["en", "de"]), ("paws-x", ["en", "de"]), ("pos", ["en", "de"]), ("ner", ["en", "de"]),
        ("xquad", ["en", "de"]), ("mlqa", ["en", "de"]), ("tydiqa-goldp", ["en", "fi"]), ("bucc", ["de"]),
        ("retrieval", ["de"]),
    ],
)  # fmt: skip
def test_the_task_finds_its_files(folder: Path, task: str, languages: list[str]) -> None:
    settings = load_settings(flags={f"{task}.data": str(folder)}, start=folder)
    entry = host(settings).registry.find("task", task)
    made: Any = entry.load()(entry.read_options(settings))
    assert made.languages() == languages
    for language in languages:
        assert made.examples(language)
        made.fingerprint(language)
    if entry.info is not None and entry.info.kind == "transfer":
        training, development = made.training(1)
        assert len(training) + len(development) == (40 if "qa" in task or task == "xquad" else 60)


def test_training_files_of_the_folder_itself_are_first(tmp_path: Path) -> None:
    from otx_tasks.classification.xnli_folder import train_files

    names = ("nli/xnli/train-en.tsv", "xnli/train-en.tsv", "english-train/a.tsv", "train-en.tsv")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a\tb\tneutral\n")
        assert train_files(str(tmp_path), "en") == [tmp_path / name]
