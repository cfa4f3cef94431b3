from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from otx.errors import DataError
from scripts.laboratory.material import draw_material, read_manifest
from scripts.laboratory.study import Bitext, Evaluation, Study, Training


def test_files_are_taken_over_plain_and_the_training_file_is_drawn(
    study: Study, data: Path, tmp_path: Path
) -> None:
    manifest = draw_material(study, data, tmp_path / "drawn")
    assert set(manifest) == {
        "nli/xnli/test-en.tsv",
        "nli/xnli/test-de.tsv",
        "nli/english-train/train.tsv",
    }
    german = (tmp_path / "drawn/nli/xnli/test-de.tsv").read_bytes()
    assert german == gzip.decompress((data / "nli/xnli/test-de.tsv.gz").read_bytes())
    drawn = (tmp_path / "drawn/nli/english-train/train.tsv").read_text().splitlines()
    assert len(drawn) == manifest["nli/english-train/train.tsv"]["rows"] == 24
    assert set(drawn) <= set((data / "nli/made.tsv").read_text().splitlines())
    assert manifest == read_manifest(tmp_path / "drawn")
    assert manifest == draw_material(study, data, tmp_path / "again")


def test_a_changed_file_is_refused(study: Study, data: Path, tmp_path: Path) -> None:
    draw_material(study, data, tmp_path / "drawn")
    (tmp_path / "drawn/nli/xnli/test-en.tsv").write_text("other\n")
    with pytest.raises(DataError, match=r"test-en.tsv has changed"):
        read_manifest(tmp_path / "drawn")


def test_a_study_that_draws_needs_a_folder_that_has_its_files(study: Study, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="draws its data from a folder"):
        draw_material(study, None, tmp_path / "drawn")
    with pytest.raises(DataError, match=r"no file matches nli/xnli/test-\*\.tsv"):
        draw_material(study, tmp_path, tmp_path / "drawn")


def test_bitext_is_mixed_from_its_sources_each_english_sentence_once(
    study: Study, tmp_path: Path
) -> None:
    sources = {
        "one": "a cat\tKatze\na dog\tHund\n",
        "two": "a cat\tKater\na very long line\tlang\n",
    }
    for source, pairs in sources.items():
        folder = tmp_path / "bitext" / source
        folder.mkdir(parents=True)
        columns = zip(*(line.split("\t") for line in pairs.splitlines()), strict=True)
        for side, lines in zip(("en", "de"), columns, strict=True):
            (folder / f"en-de.{side}.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    own = replace(
        study, tasks={}, bitext=Bitext(languages={"de": 3}, pairs=9, sources=("one", "two", "none"))
    )
    draw_material(own, tmp_path, tmp_path / "drawn")
    english = (tmp_path / "drawn/bitext/en-de.en").read_text().splitlines()
    german = (tmp_path / "drawn/bitext/en-de.de").read_text().splitlines()
    assert set(zip(english, german, strict=True)) == {("a cat", "Katze"), ("a dog", "Hund")}


def test_pairs_are_drawn_for_a_task_beside_the_bitext(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / "bitext" / "one"
    folder.mkdir(parents=True)
    for side in ("en", "zh"):
        (folder / f"en-zh.{side}").write_text("".join(f"{side} {i}\n" for i in range(9)))
    pairs = Bitext(languages={"zh": 3}, pairs=5, sources=("one",))
    task = Evaluation("retrieval", 1.0, data="heldout", pairs=pairs)
    own = replace(study, tasks={"r": task}, bitext=None)
    manifest = draw_material(own, tmp_path, tmp_path / "drawn")
    assert {name: entry["parts"] for name, entry in manifest.items()} == {
        "heldout/en-zh.en": ["r"],
        "heldout/en-zh.zh": ["r"],
    }
    sides = [
        (tmp_path / f"drawn/heldout/en-zh.{side}").read_text().split("\n") for side in ("en", "zh")
    ]
    assert len(sides[0]) == 6
    assert [line[2:] for line in sides[0]] == [line[2:] for line in sides[1]]


def test_questions_are_drawn_by_paragraph(study: Study, tmp_path: Path) -> None:
    def paragraph(name: str) -> dict[str, object]:
        return {"context": name, "qas": [{"id": f"{name}{i}", "question": "?"} for i in range(3)]}

    articles = [
        {"title": title, "paragraphs": [paragraph(f"{title}{i}") for i in range(4)]}
        for title in "AB"
    ]
    (tmp_path / "train.json").write_text(json.dumps({"data": articles}))
    task = Evaluation("xquad", 1.0, train=Training("squad", ("train.json",), 7, "out.json"))
    manifest = draw_material(replace(study, tasks={"xquad": task}), tmp_path, tmp_path / "drawn")
    drawn = json.loads((tmp_path / "drawn/out.json").read_text())["data"]
    paragraphs = [p for article in drawn for p in article["paragraphs"]]
    assert sorted(len(p["qas"]) for p in paragraphs) == [1, 3, 3]
    for article in drawn:
        assert all(p["context"].startswith(article["title"]) for p in article["paragraphs"])
        assert all(
            q["id"].startswith(p["context"]) for p in article["paragraphs"] for q in p["qas"]
        )
    assert manifest["out.json"]["rows"] == 7
