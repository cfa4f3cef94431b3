import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from otx.errors import DataError
from otx.types import Score
from otx_tasks.probes import gold_sets
from otx_tasks.probes.options import WordAlignmentOptions
from otx_tasks.probes.word_alignment import WordAlignmentTask

Write = Callable[[str, str], Path]
PAIRS = [
    ("the bridge over the river", "die Brücke über den Fluss", "0-0 1-1 2-2 3p3 4-4"),
    ("opened by mayor", "wurde vom Bürgermeister eröffnet", "0-3 0p0 1-1 2-2"),
    ("river", "Fluss den Fluss", "0-0 0p2"),
]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    write("ende.src-tgt", "".join(f"{s} ||| {t}\n" for s, t, _ in PAIRS))
    write("ende.gold", "".join(f"{links}\n" for _, _, links in PAIRS))
    return tmp_path


def task(data: Path, **options: Any) -> WordAlignmentTask:
    return WordAlignmentTask(WordAlignmentOptions(data=str(data), **options))


def probed(task: WordAlignmentTask, encoder: Any, language: str) -> list[Score]:
    """Scores of what was predicted, after it went through a file of JSON."""
    found = json.loads(json.dumps(task.probe(encoder, language)))
    return [task.score(found[example.id], example) for example in task.examples(language)]


def words(encoder: Any, text: str, layer: int) -> np.ndarray:
    """The last sub-word of each white-space token, the sentence encoded alone, of length 1."""
    encoding = encoder.tokenizer(text.split(), is_split_into_words=True)
    batch = encoder.collate(encoder.tokenise([text]))
    with torch.no_grad():
        states = encoder.encode(batch, (layer,)).tokens[layer][0].numpy()
    last = {word: place for place, word in enumerate(encoding.word_ids()) if word is not None}
    found = states[[last[i] for i in range(len(text.split()))]]
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("layer", [-1, 1])
def test_against_brute_force(folder: Path, tiny: Callable[..., Any], layer: int) -> None:
    encoder = tiny()
    scores = probed(task(folder, layer=layer, batch=2), encoder, "ende")
    sums = np.zeros(4)
    for score, (source, target, gold) in zip(scores, PAIRS, strict=True):
        table = words(encoder, source, layer) @ words(encoder, target, layer).T
        links = {
            (i, j)
            for i in range(len(table))
            for j in range(len(table[0]))
            if table[i].argmax() == j and table[:, j].argmax() == i
        }
        sure = {tuple(map(int, g.split("-"))) for g in gold.split() if "-" in g}
        possible = sure | {tuple(map(int, g.split("p"))) for g in gold.split() if "p" in g}
        wanted = [len(links), len(sure), len(links & sure), len(links & possible)]
        assert [score.statistics[name] for name in ("a", "s", "a_s", "a_p")] == wanted
        sums += wanted
    a, s, a_s, a_p = sums
    values = dict(zip(("a", "s", "a_s", "a_p"), sums, strict=True))
    found = {metric.name: metric.compute(values) for metric in WordAlignmentTask.info.metrics}
    assert found["aer"] == pytest.approx(1 - (a_s + a_p) / (a + s))
    assert found["precision"] == pytest.approx(a_p / a)
    assert found["recall"] == pytest.approx(a_s / s)


@pytest.mark.parametrize("extraction", ["argmax", "itermax", "plan"])
def test_a_sentence_with_itself_has_no_error(
    write: Write, tmp_path: Path, tiny: Callable[..., Any], extraction: str
) -> None:
    text = "the bridge over Lindau was opened"
    write("same.src-tgt", f"{text} ||| {text}\n")
    write("same.gold", " ".join(f"{i}-{i}" for i in range(6)) + "\n")
    (score,) = probed(task(tmp_path, extraction=extraction), tiny(), "same")
    assert {**score.statistics} == {"a": 6, "s": 6, "a_s": 6, "a_p": 6, "cut": 0}


def test_lost_words_have_no_links_and_shift_nothing(
    write: Write, tmp_path: Path, tiny: Callable[..., Any]
) -> None:
    text = "the bridge over the river was opened by the mayor of Lindau"
    write("same.src-tgt", f"{text} ||| {text}\n")
    write("same.gold", " ".join(f"{i}-{i}" for i in range(12)) + "\n")
    encoder = tiny(max_length=16)
    (row,) = encoder.tokenise([text])
    assert 0 < row.words < 12
    alignment = task(tmp_path)
    (score,) = probed(alignment, encoder, "same")
    assert score.statistics["a"] == score.statistics["a_s"] <= row.words
    assert score.statistics["cut"] == 2 * row.cut
    assert "1 pairs were cut at the encoder's length limit" in alignment.notes("same", [score])


def test_a_word_without_sub_words_has_no_link(
    write: Write, tmp_path: Path, tiny: Callable[..., Any]
) -> None:
    vanishing = "\u200b"  # the tokenizer's clean-up leaves nothing of it
    write("gap.src-tgt", f"the {vanishing} mayor ||| the mayor\n")
    write("gap.gold", "0-0 2-1\n")
    encoder = tiny()
    whole = encoder.tokenise

    def drop(texts: list[str], **options: Any) -> Any:
        rows = whole(texts, **options)
        for row, text in zip(rows, texts, strict=True):
            if vanishing in text:
                kept = [i for i, word in enumerate(row.word_index) if word != 1]
                row.ids[:] = [row.ids[i] for i in kept]
                row.word_index[:] = [row.word_index[i] for i in kept]
        return rows

    encoder.tokenise = drop
    (score,) = probed(task(tmp_path), encoder, "gap")
    assert score.statistics["a"] == score.statistics["a_s"]


def test_index_bases(folder: Path, write: Write) -> None:
    with pytest.raises(DataError, match=r"ende\.gold:1: link 0-0 is out of range"):
        task(folder, index_base=1).examples("ende")
    write("ende.gold", "1-1\n1-1\n1-3\n")
    one = task(folder, index_base=1)
    assert one.examples("ende")[2].fields["sure"] == [(0, 2)]
    assert one.notes("ende", []) == ["indices count from 1 (index_base)"]
    with pytest.raises(DataError, match=r"ende\.gold: no index is 0"):
        task(folder).examples("ende")
    with pytest.raises(DataError, match=r"ende\.gold:3: link 1-3 is out of range"):
        task(folder, index_base=0).examples("ende")
    write("sets.tsv", "set\tindex_base\nende\t1\n")
    assert task(folder).examples("ende")[2].fields["sure"] == [(0, 2)]


def test_links_out_of_range_are_left_out_and_noted(folder: Path, write: Write) -> None:
    write("ende.src-tgt", "a ||| b\n" * 20)
    write("ende.gold", "0-0\n" * 19 + "0-0 1-0\n")
    alignment = task(folder)
    assert alignment.examples("ende")[19].fields["possible"] == [(0, 0)]
    left_out = "1 gold links in 1 of 20 sentences are out of range and left out"
    assert alignment.left_out("ende") == left_out
    assert alignment.notes("ende", []) == ["indices count from 0 (default)", left_out]


def test_sets_examples_and_fingerprints(folder: Path, write: Write) -> None:
    alignment = task(folder)
    assert alignment.languages() == ["ende"]
    example = alignment.examples("ende")[1]
    assert example.id == "ende:2"
    assert example.fields["possible"] == [(0, 0), (0, 3), (1, 1), (2, 2)]
    before = alignment.fingerprint("ende")
    write("ende.gold", "0-0\n0-0\n0-0\n")
    assert task(folder).fingerprint("ende") != before
    with pytest.raises(DataError, match="no set enfr"):
        alignment.examples("enfr")


def test_without_data_the_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gold_sets, "sample_folder", lambda: folder)
    assert WordAlignmentTask(WordAlignmentOptions()).languages() == ["ende"]


def test_real_sets(shared_data: Path) -> None:
    alignment = task(shared_data / "align")
    table = (shared_data / "align" / "sets.tsv").read_text().splitlines()[1:]
    for name, sentences in (line.split("\t")[:2] for line in table):
        if name == "deen-small":
            assert "1 gold links in 1 of 100" in (alignment.left_out(name) or "")
            continue
        examples = alignment.examples(name)
        assert len(examples) == int(sentences)
        sure_links = sum(len(e.fields["sure"]) for e in examples)
        possible_links = sum(len(e.fields["possible"]) for e in examples)
        lines = [
            line.split()
            for line in (shared_data / "align" / f"{name}.gold").read_text().splitlines()
        ]
        written = [{item for item in line if "-" in item} for line in lines]
        either = [{item.replace("p", "-") for item in line} for line in lines]
        assert (sure_links, possible_links) == (sum(map(len, written)), sum(map(len, either)))
