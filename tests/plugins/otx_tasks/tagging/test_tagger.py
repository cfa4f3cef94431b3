"""The tagging tasks: files, features, what is learnt, what is scored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch.nn import functional

from otx.errors import DataError
from otx_tasks.tagging.ner import NerTask
from otx_tasks.tagging.options import TaggingOptions
from otx_tasks.tagging.pos import PosTask
from otx_tasks.tagging.tagger import IGNORED

Write = Callable[[str, str], Path]
ENGLISH = [("The", "DET"), ("bridge", "NOUN"), ("was", "AUX"), ("opened", "VERB"), (".", "PUNCT")]
GERMAN = [("Die", "DET"), ("Brücke", "NOUN"), ("wurde", "AUX"), ("eröffnet", "VERB")]


def lines(*sentences: list[tuple[str, str]]) -> str:
    return "\n".join("".join(f"{word}\t{tag}\n" for word, tag in own) for own in sentences)


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    write("udpos/test-en.tsv", lines(ENGLISH, ENGLISH[:2]))
    write("udpos/test-de.tsv.gz", lines(GERMAN, [*GERMAN[:2], ("offen", "ADJ")]))
    train = [[(f"w{i}", "NOUN"), *ENGLISH[2:]] for i in range(60)]
    write("udpos/train-en.tsv", lines(*train))
    return tmp_path


def task(folder: Path, **options: Any) -> PosTask:
    return PosTask(TaggingOptions(data=str(folder), **options))


def test_files_languages_and_development(folder: Path) -> None:
    assert task(folder).languages() == ["en", "de"]
    assert task(folder).sentences("de") == ["Die Brücke wurde eröffnet", "Die Brücke offen"]
    training, development = task(folder).training(1)
    assert (len(training), len(development)) == (57, 3)
    assert task(folder).training(2) == (training, development)
    assert len(task(folder, train_limit=10).training(1)[0]) == 10
    prints = {
        task(folder, **o).training_fingerprint() for o in ({}, {"epochs": 1.0}, {"train_limit": 9})
    }
    assert len(prints) == 3


def test_each_word_is_learnt_at_its_first_sub_word(folder: Path, tiny: Any) -> None:
    pos, encoder = task(folder), tiny()
    examples = pos.examples("de")
    features = pos.features(encoder, examples)
    batch, labels = pos.collate(encoder, features)
    for row, example in enumerate(examples):
        index = batch.word_index[row].tolist()
        for word, tag in enumerate(example.fields["tags"]):
            assert pos.tags[labels[row, index.index(word)]] == tag
        assert (labels[row] != IGNORED).sum() == len(example.fields["tags"])
    logits = encoder.fresh_head(pos.head_kind, pos.labels())(batch)
    kept = labels != IGNORED
    expected = functional.cross_entropy(logits[kept], labels[kept])
    assert pos.loss(logits, labels).value.item() == pytest.approx(expected.item(), rel=1e-6)


def test_certain_logits_are_decoded_into_the_gold_tags(folder: Path, tiny: Any) -> None:
    pos, encoder = task(folder), tiny()
    examples = pos.examples("de")
    features = pos.features(encoder, examples)
    _, labels = pos.collate(encoder, features)
    logits = [
        functional.one_hot(row.clamp(min=0), len(pos.tags)).float()[: f.length]
        for row, f in zip(labels, features, strict=True)
    ]
    found = pos.decode(features, logits)
    for example in examples:
        assert found[example.id] == {"tags": example.fields["tags"], "cut": 0}
        score = pos.score(found[example.id], example)
        assert score.statistics["correct"] == score.statistics["n"]


def test_words_beyond_the_limit_count_as_wrong_and_are_said(folder: Path, tiny: Any) -> None:
    pos, encoder = task(folder, max_length=6), tiny()
    examples = pos.examples("de")
    features = pos.features(encoder, examples)
    assert encoder.max_length == 512
    logits = [torch.zeros(f.length, len(pos.tags)) for f in features]
    found = pos.decode(features, logits)
    scores = [pos.score(found[example.id], example) for example in examples]
    cut = sum(score.statistics["cut"] for score in scores)
    assert cut > 0 and f"{int(cut)} words are beyond the length limit" in pos.notes("de", scores)[0]
    assert all(len(found[e.id]["tags"]) == len(e.fields["tags"]) for e in examples)


def test_accuracy_is_sklearns_over_all_words(folder: Path) -> None:
    pos = task(folder)
    random = torch.Generator().manual_seed(0)
    gold, found, sums = [], [], {"correct": 0.0, "n": 0.0}
    for example in [*pos.examples("de"), *pos.examples("en")]:
        tags = example.fields["tags"]
        picks = torch.randint(2, (len(tags),), generator=random).tolist()
        guess = [tag if pick else "X" for tag, pick in zip(tags, picks, strict=True)]
        score = pos.score({"tags": guess, "cut": 0}, example)
        sums = {name: value + score.statistics[name] for name, value in sums.items()}
        gold, found = gold + tags, found + guess
    accuracy = pos.info.metrics[0].compute(sums)
    assert accuracy == pytest.approx(accuracy_score(gold, found))


def test_the_floor_is_the_commonest_tag(folder: Path) -> None:
    scores = task(folder).baselines("de")["majority"]
    # DET and NOUN have two each; DET comes after NOUN in the list of tags.
    assert sum(score.statistics["correct"] for score in scores) == 2


def test_traps(folder: Path, write: Write, tmp_path: Path) -> None:
    same = write("same.tsv", lines(ENGLISH, ENGLISH[:2], *[[(f"w{i}", "X")] for i in range(30)]))
    with pytest.raises(DataError, match="2 of the 2 en test sentences of pos are trained on"):
        task(folder, train=str(same)).training(1)
    one = write("one.tsv", lines(ENGLISH, *[[(f"w{i}", "X")] for i in range(30)]))
    pos = task(folder, train=str(one))
    pos.training(1)
    scores = [pos.score({"tags": e.fields["tags"], "cut": 0}, e) for e in pos.examples("en")]
    assert pos.notes("en", scores) == []
    assert pos.training_notes() == ["1 of 2 en test sentences are in the training file too"]
    with pytest.raises(DataError, match="pos: no test file in fr"):
        task(folder).examples("fr")
    with pytest.raises(DataError, match="no pos dev files"):
        task(folder, split="dev").languages()


def test_entities_are_tagged_in_the_same_way(write: Write, tmp_path: Path, tiny: Any) -> None:
    sentence = [("Lindau", "B-LOC"), ("am", "I-LOC"), ("Fluss", "O")]
    write("panx/dev-de.tsv", lines(sentence))
    write("panx/train-en.tsv", lines(*[[(f"w{i}", "B-PER")] for i in range(30)]))
    ner = NerTask(TaggingOptions(data=str(tmp_path), split="dev"))
    assert ner.languages() == ["de"]
    (example,) = ner.examples("de")
    score = ner.score({"tags": ["B-LOC", "O", "O"], "cut": 0}, example)
    assert score.statistics == {"right": 0.0, "found": 1.0, "gold": 1.0, "cut": 0.0}
    assert len(ner.features(tiny(), [example])) == 1


def test_the_real_sets_are_whole(shared_data: Path) -> None:
    pos = PosTask(TaggingOptions(data=str(shared_data)))
    assert pos.languages() == ["en", "ar", "de", "es", "fr", "hi", "ru", "th", "tr", "zh"]
    names = [[example.id for example in pos.examples(language)] for language in ("en", "th")]
    assert names[0] == names[1] and len(names[0]) == 1000
    training, development = pos.training(1)
    assert len(training) + len(development) == 21_253
    ner = NerTask(TaggingOptions(data=str(shared_data), split="dev"))
    assert len(ner.languages()) == 14
    assert len(ner.examples("sw")) == 1000


def test_where_only_development_files_are_they_are_tested_on_and_it_is_said(
    write: Write, tmp_path: Path
) -> None:
    write("panx/dev-de.tsv", lines(*[[(f"w{i}", "B-PER")] for i in range(5)]))
    write("panx/train-en.tsv", lines(*[[(f"x{i}", "B-PER")] for i in range(30)]))
    ner = NerTask(TaggingOptions(data=str(tmp_path), test_limit=3))
    assert ner.languages() == ["de"]
    assert [e.fields["words"] for e in ner.examples("de")] == [["w0"], ["w1"], ["w2"]]
    scores = [ner.score({"tags": ["B-PER"], "cut": 0}, e) for e in ner.examples("de")]
    said = "tested on the dev files: there are no test files"
    assert ner.notes("de", scores) == [said]
    asked = NerTask(TaggingOptions(data=str(tmp_path), split="dev"))
    scores = [asked.score({"tags": ["B-PER"], "cut": 0}, e) for e in asked.examples("de")]
    assert asked.notes("de", scores) == []
    write("panx/test-de.tsv", lines([("t", "O")]))
    both = NerTask(TaggingOptions(data=str(tmp_path)))
    assert [e.fields["words"] for e in both.examples("de")] == [["t"]]


def test_wikianns_own_files_are_read_as_they_come(write: Write, tmp_path: Path) -> None:
    """A folder a language, no endings, the language before every word."""
    for language in ("en", "de"):
        for split, count in (("test", 2), ("train", 30)):
            text = [f"{language}:{split}{i}\tB-PER\n{language}::\tO\n" for i in range(count)]
            write(f"panx_dataset/{language}/{split}", "\n".join(text))
    ner = NerTask(TaggingOptions(data=str(tmp_path)))
    assert ner.languages() == ["en", "de"]
    assert [e.fields["words"] for e in ner.examples("de")] == [["test0", ":"], ["test1", ":"]]
    training, development = ner.training(1)
    assert len(training) + len(development) == 30
    assert all(e.fields["words"][0].startswith("train") for e in training)
