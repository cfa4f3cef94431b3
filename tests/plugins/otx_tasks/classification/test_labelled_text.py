from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from otx.errors import DataError
from otx_tasks.classification.labelled_text import ClassificationTask, PawsxTask
from otx_tasks.classification.options import ClassificationOptions

Write = Callable[[str, str], Path]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    train = [f"text {i // 2} {i}\t{('bad', 'good', 'so-so')[i % 3]}\n" for i in range(90)]
    write("train-en.tsv", "".join(train))
    write("test-en.tsv", "The bridge is fine\tgood\nNo bridge\tbad\nA bridge\tso-so\n")
    write("test-de.tsv.gz", "Die Brücke ist gut\tgood\nKeine Brücke\tbad\nBrücke\tso-so\n")
    write("test-ru.tsv", "Мост\tgood\nНет\tgood\n")
    return tmp_path


def task(folder: Path, **options: Any) -> ClassificationTask:
    return ClassificationTask(ClassificationOptions(data=str(folder), **options))


def test_languages_classes_and_clusters(folder: Path) -> None:
    own = task(folder)
    assert own.languages() == ["en", "de", "ru"] and own.classes == ["bad", "good", "so-so"]
    assert [(e.id, e.cluster) for e in own.examples("de")][:2] == [
        ("row-1", "row-1"),
        ("row-2", "row-2"),
    ]
    assert [e.cluster for e in own.examples("ru")] == ["ru:row-1", "ru:row-2"]
    training, development = own.training(1)
    assert len(training) + len(development) == 90
    assert not {e.cluster for e in training} & {e.cluster for e in development}
    assert own.training(2) == own.training(1)


@pytest.mark.parametrize("texts", [1, 2])
def test_one_text_or_two_go_in_as_the_tokenizer_puts_them(
    folder: Path, tiny: Any, write: Write, texts: int
) -> None:
    if texts == 2:
        write("test-en.tsv", "The bridge\tis fine\tgood\n")
        write("train-en.tsv", "".join(f"a {i}\tb\t{('bad', 'good')[i % 2]}\n" for i in range(60)))
    own, encoder = task(folder), tiny()
    example = own.examples("en")[0]
    (feature,) = own.features(encoder, [example])
    expected = encoder.tokenizer(*example.fields["texts"])["input_ids"]
    assert feature.ids.tolist() == expected
    assert feature.label == own.classes.index("good")
    batch, labels = own.collate(encoder, [feature])
    logits = encoder.fresh_head(own.head_kind, own.labels())(batch)
    assert logits.shape == (1, len(own.classes))
    assert own.loss(logits, labels).value.item() == pytest.approx(
        functional.cross_entropy(logits, labels).item()
    )


def test_decoding_scoring_and_the_floor(folder: Path, tiny: Any) -> None:
    own = task(folder)
    examples = own.examples("de")
    features = own.features(tiny(), examples)
    logits = [functional.one_hot(torch.tensor(f.label), 3).float() for f in features]
    found = own.decode(features, logits)
    assert found == {e.id: e.fields["label"] for e in examples}
    scores = [own.score(found[e.id], e) for e in examples]
    sums = {name: sum(s.statistics[name] for s in scores) for name in ("correct", "n")}
    assert own.info.metrics[0].compute(sums) == 1.0
    floor = own.baselines("ru")["majority"]
    assert [score.statistics["correct"] for score in floor] == [1.0, 1.0]
    assert own.notes("de", scores) == []


def test_traps(folder: Path, write: Write) -> None:
    write("test-fr.tsv", "Le pont\tneutral\n")
    with pytest.raises(DataError, match=r"test-fr\.tsv:1: class 'neutral' is not in the training"):
        task(folder).examples("fr")
    with pytest.raises(DataError, match="no test file in xx"):
        task(folder).examples("xx")
    leak = write("leak.tsv", "No bridge\tbad\nA new bridge\tgood\nA third\tso-so\n")
    with pytest.raises(
        DataError,
        match="1 training examples are in the en test set of classification, the first is row-1",
    ):
        task(folder, train=str(leak)).training(1)
    alone = write("alone.tsv", "a\tgood\nb\tgood\n")
    write("one/test-de.tsv", "c\tgood\n")
    with pytest.raises(DataError, match="every training row has the class good"):
        task(folder / "one", train=str(alone)).training(1)
    with pytest.raises(DataError, match="classification needs files"):
        ClassificationTask(ClassificationOptions()).languages()


def test_real_paws_x_files_are_read_and_their_leak_is_found(shared_data: Path) -> None:
    """No English training file is at hand: the development set stands in, and English is then not tested on."""
    data = str(shared_data / "nli/pawsx")
    train = str(shared_data / "nli/pawsx/dev-en.tsv.gz")
    tested = PawsxTask(ClassificationOptions(data=data, train=train))
    assert tested.languages() == ["de", "zh"] and tested.classes == ["0", "1"]
    assert [len(tested.examples(language)) for language in ("de", "zh")] == [2000, 2000]
    assert sum(map(len, tested.training(1))) == 2000
    itself = PawsxTask(ClassificationOptions(data=data, train=train, split="dev"))
    assert len(itself.languages()) == 7
    with pytest.raises(DataError, match="training examples are in the en dev set"):
        itself.training(1)


def test_lines_hold_a_text_or_two_and_paraphrases_two(folder: Path, tiny: Any) -> None:
    own = task(folder)
    asked = own.read_line("a text\tand another", 2)
    assert asked.fields["texts"] == ["a text", "and another"]
    (feature,) = own.features(tiny(), [asked])
    assert feature.label is None
    with pytest.raises(DataError, match="line 5 has 3 texts"):
        own.read_line("a\tb\tc", 5)
    with pytest.raises(DataError, match="line 1 has 1 texts"):
        PawsxTask(ClassificationOptions()).read_line("a", 1)


def test_without_files_the_classes_are_the_heads() -> None:
    head = torch.nn.Linear(1, 2)
    head.labels = ("good", "bad")
    without_files = ClassificationTask(ClassificationOptions())
    own = without_files.for_prediction(head)
    ours = own.carried(head)
    other = torch.nn.Linear(1, 2)
    other.labels = ("yes", "no")
    assert without_files.for_prediction(other).classes == ["no", "yes"], "no trace of the first"
    assert ours is not None and own.classes == ["bad", "good"]
    logits = ours.forward(torch.tensor([[3.0]]))
    assert torch.equal(logits, head(torch.tensor([[3.0]]))[..., [1, 0]])


def test_paws_x_is_read_as_it_is_distributed(write: Write, tmp_path: Path) -> None:
    head = "id\tsentence1\tsentence2\tlabel\n"
    for language in ("en", "de"):
        rows = "".join(f"{i}\t{language} {i}\tb\t{i % 2}\n" for i in range(4))
        write(f"x-final/{language}/test_2k.tsv", head + rows)
    train = "".join(f"{i}\ttrain {i}\tb\t{i % 2}\n" for i in range(60))
    write("x-final/en/train.tsv", head + train)
    write("x-final/de/translated_train.tsv", head + train.replace("train", "Satz"))
    paws = PawsxTask(ClassificationOptions(data=str(tmp_path)))
    assert paws.languages() == ["en", "de"] and paws.classes == ["0", "1"]
    assert paws.examples("de")[1].fields == {"texts": ["de 1", "b"], "label": "1"}
    assert [e.cluster for e in paws.examples("de")][:2] == ["row-1", "row-2"]
    assert sum(map(len, paws.training(1))) == 60
    german = PawsxTask(ClassificationOptions(data=str(tmp_path), source="de"))
    assert all("Satz" in e.fields["texts"][0] for e in german.training(1)[0])
