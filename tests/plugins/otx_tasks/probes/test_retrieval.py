import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from otx.data.normalise import normal_form
from otx.errors import DataError
from otx.types import Score
from otx_tasks.probes import parallel_files, retrieval
from otx_tasks.probes.options import RetrievalOptions
from otx_tasks.probes.retrieval import RetrievalTask

Write = Callable[[str, str], Path]
TEXT = (
    "the bridge over river was opened by mayor of Lindau Brücke über den Fluss wurde vom eröffnet"
)
WORDS = TEXT.split()
ENGLISH = [" ".join(WORDS[(3 * i + j * j) % 17] for j in range(4 + i % 5)) for i in range(21)]
GERMAN = [" ".join(line.split()[i % 3 :]) for i, line in enumerate(ENGLISH)]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    write("en-de.en", "\n".join(ENGLISH) + "\n")
    write("en-de.de", "\n".join(GERMAN) + "\n")
    return tmp_path


def task(folder: Path, **options: Any) -> RetrievalTask:
    return RetrievalTask(RetrievalOptions(data=str(folder), **options))


def probed(task: RetrievalTask, encoder: Any, language: str) -> list[Score]:
    """Scores of what was predicted, after it went through a file of JSON."""
    found = json.loads(json.dumps(task.probe(encoder, language)))
    return [task.score(found[example.id], example) for example in task.examples(language)]


def one_by_one(encoder: Any, texts: list[str], layer: int) -> np.ndarray:
    """Each sentence alone, its sub-words averaged without the special tokens."""
    vectors = []
    for text in texts:
        batch = encoder.collate(encoder.tokenise([text]))
        with torch.no_grad():
            states = encoder.encode(batch, (layer,)).tokens[layer][0].numpy()
        vectors.append(states[1:-1].mean(0))
    found = np.array(vectors)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("layer", [-1, 1])
def test_against_brute_force(folder: Path, tiny: Callable[..., Any], layer: int) -> None:
    encoder = tiny()
    encoder.module.train()
    scores = probed(task(folder, layer=layer, batch=4, neighbours=3), encoder, "de")
    assert encoder.module.training
    encoder.module.eval()
    x, y = one_by_one(encoder, GERMAN, layer), one_by_one(encoder, ENGLISH, layer)
    table = x @ y.T
    near_x = np.sort(table, 1)[:, -3:].mean(1)
    near_y = np.sort(table, 0)[-3:].mean(0)
    scaled = 2 * table - near_x[:, None] - near_y
    truth = np.arange(len(x))
    wanted = {
        "to_pivot": table.argmax(1) == truth,
        "from_pivot": table.argmax(0) == truth,
        "csls_to_pivot": scaled.argmax(1) == truth,
        "csls_from_pivot": scaled.argmax(0) == truth,
        "n": np.ones(len(x)),
        "cut": np.zeros(len(x)),
    }
    for values in (table, table.T, scaled, scaled.T):  # no hit hangs on the last bits
        first, second = np.sort(values, 1)[:, :-3:-1].T
        assert (first - second).min() > 1e-5
    found = {name: np.array([s.statistics[name] for s in scores]) for name in scores[0].statistics}
    assert {*found} == {*wanted}
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    sums = {name: values.sum() for name, values in found.items()}
    accuracy = {m.name: m.compute(sums) for m in RetrievalTask.info.metrics}
    assert accuracy["accuracy"] == (wanted["to_pivot"].mean() + wanted["from_pivot"].mean()) / 2
    assert accuracy["csls_from_pivot"] == wanted["csls_from_pivot"].mean()


def test_identical_sides_are_all_found(
    write: Write, tmp_path: Path, tiny: Callable[..., Any]
) -> None:
    for side in ("en", "xx"):
        write(f"en-xx.{side}", "\n".join(ENGLISH))
    scores = probed(task(tmp_path), tiny(), "xx")
    assert all(s.statistics["to_pivot"] == s.statistics["from_pivot"] == 1 for s in scores)


def test_cut_sentences_are_told(folder: Path, tiny: Callable[..., Any]) -> None:
    retrieve = task(folder)
    scores = probed(retrieve, tiny(max_length=12), "de")
    sizes = [
        max(len(tiny().tokenise([side])[0].ids) for side in pair)
        for pair in zip(GERMAN, ENGLISH, strict=True)
    ]
    count = sum(size > 12 for size in sizes)
    assert 0 < count < len(sizes)
    assert retrieve.notes("de", scores) == [
        f"{count} sentence pairs were cut at the encoder's length limit"
    ]
    assert retrieve.notes("de", probed(retrieve, tiny(), "de")) == []


def test_languages_and_fingerprints(folder: Path, write: Write) -> None:
    assert task(folder).languages() == ["de"]
    before = task(folder).fingerprint("de")
    assert before == task(folder).fingerprint("de")
    write("en-de.de", "\n".join([*GERMAN[:-1], "etwas anderes"]))
    assert before != task(folder).fingerprint("de")
    with pytest.raises(DataError, match="no files for fr"):
        task(folder).examples("fr")


def test_a_ceiling_is_told(folder: Path) -> None:
    retrieve = task(folder)

    def scores(wrong: int) -> list[Score]:
        hit = dict.fromkeys(("to_pivot", "from_pivot"), 1.0)
        return [
            Score(str(i), str(i), {**hit, "from_pivot": float(i >= wrong), "cut": 0.0})
            for i in range(100)
        ]

    assert retrieve.notes("de", scores(6)) == []
    assert retrieve.notes("de", scores(5)) == [
        "at its ceiling: cannot show a gain (5 of 100 pairs have an error)"
    ]


def test_the_sample_is_searched_among_its_training_sentences(tiny: Callable[..., Any]) -> None:
    """Against brute force over each sentence encoded alone."""
    encoder = tiny()
    retrieve = RetrievalTask(RetrievalOptions(neighbours=3))
    scores = probed(retrieve, encoder, "de")
    encoder.module.eval()
    pairs = [*retrieve.examples("de"), *retrieve.distractors("de")]
    assert (len(scores), len(pairs)) == (100, 560)
    x, y = (
        one_by_one(encoder, [pair.fields[side] for pair in pairs], -1)
        for side in ("source", "pivot")
    )
    table = x @ y.T
    own = np.arange(100)
    # A nearest candidate by less than the last bits could be another one in another batch.
    for way, values in (("to_pivot", table[:100]), ("from_pivot", table.T[:100])):
        first, second = np.sort(values, 1)[:, :-3:-1].T
        clear = first - second > 1e-5
        found = np.array([score.statistics[way] for score in scores])
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(found[clear], (values.argmax(1) == own)[clear])


def test_no_distractor_of_the_sample_is_a_right_answer() -> None:
    retrieve = RetrievalTask(RetrievalOptions())
    for language in retrieve.languages():
        for side in ("source", "pivot"):
            held = [normal_form(pair.fields[side]) for pair in retrieve.examples(language)]
            others = [normal_form(pair.fields[side]) for pair in retrieve.distractors(language)]
            assert len(set(held) | set(others)) == len(held) + len(others) == 560


def test_without_data_the_samples_held_out_part(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("heldout", "heldout.tok", "train"):
        for language in ("en", "de", "ru"):
            write(f"{name}.{language}.txt", f"{name}\n")
    monkeypatch.setattr(parallel_files, "sample_folder", lambda: tmp_path)
    sample = RetrievalTask(RetrievalOptions())
    assert sample.languages() == ["de", "ru"]
    assert sample.examples("de")[0].fields == {"source": "heldout", "pivot": "heldout"}
    monkeypatch.setattr(retrieval, "sample_folder", lambda: tmp_path)
    (distractor,) = sample.distractors("de")
    assert distractor.fields == {"source": "train", "pivot": "train"}
    assert distractor.id != sample.examples("de")[0].id
    before = sample.fingerprint("de")
    write("train.de.txt", "other\n")
    assert sample.fingerprint("de") != before
