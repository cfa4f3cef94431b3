import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from otx.errors import DataError
from otx_tasks.probes.options import WordRetrievalOptions
from otx_tasks.probes.word_retrieval import WordRetrievalTask

Write = Callable[[str, str], Path]
PAIRS = [
    ("die Brücke über den Fluss", "the bridge over the river", "0-0 1-1 2-2 4-4 3-3"),
    ("wurde vom Bürgermeister eröffnet", "was opened by the mayor", "0-0 1-2 2-4 2-3 3-1"),
    ("von Lindau", "of Lindau in 1931", "0-0 1-1 1p2"),
]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    write("align/made.src-tgt", "".join(f"{s} ||| {t}\n" for s, t, _ in PAIRS))
    write("align/made.gold", "".join(f"{links}\n" for *_, links in PAIRS))
    return tmp_path


def task(folder: Path, **options: Any) -> WordRetrievalTask:
    return WordRetrievalTask(WordRetrievalOptions(data=str(folder), **options))


def test_words_with_a_link_of_their_own_are_asked_for(folder: Path) -> None:
    own = task(folder)
    assert own.languages() == ["made"]
    asked = [example.fields["links"] for example in own.examples("made")]
    # 2-4 and 2-3 share a word, 1-1 of the last shares one with a possible link.
    assert asked == [[[0, 0], [1, 1], [2, 2], [3, 3], [4, 4]], [[0, 0], [1, 2], [3, 1]], [[0, 0]]]


@pytest.mark.parametrize("vector", ["last", "first", "mean"])
def test_against_loops(folder: Path, tiny: Any, vector: str) -> None:
    own, encoder = task(folder, vector=vector, neighbours=3, batch=2), tiny()
    examples = own.examples("made")
    found = json.loads(json.dumps(own.probe(encoder, "made")))
    words: list[dict[tuple[int, int], np.ndarray]] = []
    for side in ("source", "target"):
        vectors = {}
        for number, example in enumerate(examples):
            rows = encoder.tokenise([" ".join(example.fields[side])], pretokenised=True)
            with torch.no_grad():
                states = encoder.encode(encoder.collate(rows)).tokens[-1][0].numpy()
            for word in range(len(example.fields[side])):
                places = [t for t, w in enumerate(rows[0].word_index) if w == word]
                chosen = {"last": places[-1:], "first": places[:1], "mean": places}[vector]
                value = states[chosen].mean(0)
                vectors[number, word] = value / np.linalg.norm(value)
        words.append(vectors)

    def nearest(one: dict[Any, np.ndarray], other: dict[Any, np.ndarray], asked: Any) -> list[int]:
        def crowd(word: np.ndarray, others: dict[Any, np.ndarray]) -> float:
            return float(np.mean(sorted(float(word @ o) for o in others.values())[-3:]))

        scores = {
            place: 2 * float(one[asked] @ word) - crowd(word, one) for place, word in other.items()
        }
        return list(max(scores, key=lambda place: scores[place]))

    hits = [0, 0]
    for number, example in enumerate(examples):
        for place, (i, j) in enumerate(example.fields["links"]):
            forward = nearest(words[0], words[1], (number, i))
            backward = nearest(words[1], words[0], (number, j))
            assert found[example.id]["to_target"][place] == forward
            assert found[example.id]["from_target"][place] == backward
            hits[0] += forward == [number, j]
            hits[1] += backward == [number, i]
    scores = [own.score(found[example.id], example) for example in examples]
    sums = {k: sum(s.statistics[k] for s in scores) for k in ("to_target", "from_target", "n")}
    assert sums == {"to_target": hits[0], "from_target": hits[1], "n": 9}
    numbers = {metric.name: metric.compute(sums) for metric in own.info.metrics}
    assert numbers["csls"] == pytest.approx(sum(hits) / 18)


def test_the_same_text_on_both_sides_is_found(write: Write, tmp_path: Path, tiny: Any) -> None:
    text = "the bridge over the river was opened by the mayor"
    write("x.src-tgt", f"{text} ||| {text}\n")
    write("x.gold", " ".join(f"{i}-{i}" for i in range(10)) + "\n")
    own = task(tmp_path)
    (example,) = own.examples("x")
    score = own.score(own.probe(tiny(), "x")["x:1"], example)
    assert score.statistics == {"to_target": 10.0, "from_target": 10.0, "n": 10.0}
    assert own.notes("x", [score]) == [
        "10 words of 1 sentences",
        "indices count from 0 (default)",
    ]


def test_words_beyond_the_limit_find_nothing(folder: Path, tiny: Any) -> None:
    own = task(folder, sentences=1)
    (example,) = own.examples("made")
    found = own.probe(tiny(max_length=5), "made")[example.id]
    assert found["to_target"][-1] is None and found["from_target"][-1] is None
    assert own.score(found, example).statistics["n"] == 5


def test_a_set_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="word-retrieval: no set x"):
        task(folder).examples("x")


def test_the_embedded_sample_is_asked_without_data() -> None:
    own = WordRetrievalTask(WordRetrievalOptions())
    assert own.languages() and own.examples(own.languages()[0])
