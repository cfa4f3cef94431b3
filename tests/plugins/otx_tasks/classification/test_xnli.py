import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from otx.errors import DataError
from otx_tasks.classification.nli_files import LABELS
from otx_tasks.classification.options import XnliOptions
from otx_tasks.classification.xnli import XnliTask

Write = Callable[[str, str], Path]
FIFTEEN = "ar bg de el en es fr hi ru sw th tr ur vi zh"


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    for language in ("en", "de"):
        for split, count in (("test", 12), ("dev", 6)):
            lines = [
                f"{language} {split} text {i // 3}.\thyp {i}\t{LABELS[i % 3]}\n"
                for i in range(count)
            ]
            write(f"{split}-{language}.tsv", "".join(lines))
    for name in ("one", "two"):
        lines = [f"{name} premise {i // 2}\thyp {i}\t{LABELS[i % 3]}\n" for i in range(120)]
        write(f"english-train/{name}.tsv.gz", "".join(lines))
    return tmp_path


def task(folder: Path, **options: Any) -> XnliTask:
    return XnliTask(XnliOptions(data=str(folder), **options))


def test_languages_splits_and_fingerprints(folder: Path) -> None:
    assert task(folder).languages() == ["en", "de"]
    assert len(task(folder).examples("de")) == 12
    assert len(task(folder, split="dev").examples("de")) == 6
    prints = {task(folder).fingerprint(language) for language in ("en", "de")}
    assert len({*prints, task(folder, split="dev").fingerprint("en")}) == 3


def test_development_premises_are_held_out_and_files_mixed(folder: Path) -> None:
    training, development = task(folder, train_limit=40).training(seed=1)
    assert (len(training), len(development)) == (40, 2)
    assert {e.id.split(".")[0] for e in training} == {"one", "two"}
    everything = task(folder).training(seed=2)
    assert sum(map(len, everything)) == 240
    premises = [{e.fields["premise"] for e in part} for part in everything]
    assert not premises[0] & premises[1]
    prints = {
        task(folder, **o).training_fingerprint() for o in ({}, {"train_limit": 40}, {"epochs": 1.0})
    }
    assert len(prints) == 3


def test_training_traps(folder: Path, write: Write) -> None:
    leak = write(
        "leak.tsv", "en test text 0.\thyp 0\tentailment\nA\tB\tneutral\nC\tD\tcontradiction\n"
    )
    with pytest.raises(
        DataError,
        match=r"1 training examples are in the en test set of xnli, the first is leak\.tsv:1",
    ):
        task(folder, train=str(leak)).training(1)
    partial = write("partial.tsv", "A\tB\tneutral\nC\tD\tentailment\n")
    with pytest.raises(DataError, match="no training pair has the label contradiction"):
        task(folder, train=str(partial)).training(1)
    unsure = write("unsure.tsv", "A\tB\tneutral\nC\tD\tentailment\nE\tF\tcontradiction\nG\tH\t-\n")
    xnli = task(folder, train=str(unsure))
    assert sum(map(len, xnli.training(1))) == 3
    assert [p.kind for p in xnli.problems()] == ["no-consensus"]


def test_placeholder_labels_are_refused(write: Write, tmp_path: Path) -> None:
    write("test-en.tsv", "A\tB\tcontradiction\n" * 60)
    with pytest.raises(DataError, match="placeholders"):
        task(tmp_path).examples("en")


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
def test_features_are_the_tokenizers_pairs(
    folder: Path, tiny: Callable[..., Any], kind: str, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(kind)
    xnli = task(folder, max_length=14)
    examples = xnli.examples("de")
    features = xnli.features(tiny(tokenizer), examples)
    for example, feature in zip(examples, features, strict=True):
        pair = tokenizer(
            example.fields["premise"],
            example.fields["hypothesis"],
            truncation="longest_first",
            max_length=14,
            return_token_type_ids=True,
        )
        assert feature.ids.tolist() == pair["input_ids"]
        assert feature.length == len(pair["input_ids"]) <= 14
        assert LABELS[feature.label] == example.fields["label"]
    batch, labels = xnli.collate(tiny(tokenizer), features)
    assert labels.tolist() == [f.label for f in features]
    assert (batch.type_ids is None) == (kind == "unigram")
    if batch.type_ids is not None:
        assert batch.type_ids[0, : features[0].length].tolist() == features[0].types.tolist()
    assert (
        (batch.word_index >= 0).sum(1) == torch.tensor([(~f.special).sum() for f in features])
    ).all()


def test_loss_decode_score_and_metric(folder: Path, tiny: Callable[..., Any]) -> None:
    xnli = task(folder)
    examples = xnli.examples("en")
    features = xnli.features(tiny(), examples)
    logits = torch.randn(len(features), 3)
    _, labels = xnli.collate(tiny(), features)
    wanted = sum(
        -math.log(float(row.double().exp()[f.label] / row.double().exp().sum()))
        for row, f in zip(logits, features, strict=True)
    )
    assert float(xnli.loss(logits, labels).value) == pytest.approx(wanted / len(features), rel=1e-5)
    predictions = xnli.decode(features, list(logits))
    scores = [xnli.score(predictions[e.id], e) for e in examples]
    right = (logits.argmax(1) == labels).sum().item()
    assert sum(s.statistics["correct"] for s in scores) == right
    (metric,) = xnli.info.metrics
    assert metric.compute({"correct": float(right), "n": 12.0}) == right / 12


def test_floor_and_chance_note(folder: Path) -> None:
    xnli = task(folder)
    floor = xnli.baselines("de")["majority"]
    assert sum(s.statistics["correct"] for s in floor) == 4
    assert xnli.notes("de", floor) == ["33.3% is no better than the majority class (33.3%)"]
    perfect = [xnli.score(e.fields["label"], e) for e in xnli.examples("de")]
    assert xnli.notes("de", perfect) == []


def test_the_fresh_head_learns(folder: Path, tiny: Callable[..., Any]) -> None:
    encoder, xnli = tiny(), task(folder)
    hypotheses = ("the mayor", "Мост", "köprü")
    examples = [
        dataclasses.replace(e, fields={**e.fields, "hypothesis": h})
        for e, h in zip(xnli.examples("en")[:3], hypotheses, strict=True)
    ]
    features = xnli.features(encoder, examples)
    batch, labels = xnli.collate(encoder, features)
    torch.manual_seed(0)
    head = encoder.fresh_head(xnli.head_kind, xnli.labels())
    optimizer = torch.optim.AdamW([*head.parameters(), *encoder.module.parameters()], lr=5e-3)
    for _ in range(80):
        optimizer.zero_grad()
        xnli.loss(head(batch), labels).value.backward()
        optimizer.step()
    head.eval()
    with torch.no_grad():
        predictions = xnli.decode(features, list(head(batch)))
    assert all(predictions[e.id] == e.fields["label"] for e in examples)


def test_real_test_sets_are_parallel(shared_data: Path) -> None:
    for split, count, premises in (("test", 2505, 835), ("dev", 2490, 830)):
        xnli = XnliTask(XnliOptions(data=str(shared_data / "nli"), split=split))
        assert sorted(xnli.languages()) == FIFTEEN.split()
        names = {
            tuple((e.id, e.cluster) for e in xnli.examples(language))
            for language in xnli.languages()
        }
        (only,) = names
        assert len({i for i, _ in only}) == count
        assert len({c for _, c in only}) == premises


def test_real_training_files_are_mixed(shared_data: Path) -> None:
    xnli = XnliTask(XnliOptions(data=str(shared_data / "nli"), train_limit=20_000))
    training, development = xnli.training(1)
    assert len(training) == 20_000
    assert {e.id.split(".")[0] for e in training} == {
        "mnli-dev", "snli-dev", "sick-train", "lingnli-train", "lingnli-val",
    }  # fmt: skip
    assert not {e.cluster for e in training} & {e.cluster for e in development}


def test_a_carried_head_is_used_if_its_classes_have_names(folder: Path) -> None:
    class Carried(torch.nn.Module):
        labels: tuple[str, ...] = ("CONTRADICTION", "neutral", "entailment")

        def forward(self, batch: Any) -> torch.Tensor:
            return torch.tensor([[0.1, 0.2, 0.7]])

    head = Carried()
    ours = task(folder).carried(head)
    assert ours is not None
    assert ours(None).tolist() == [pytest.approx([0.7, 0.2, 0.1])]
    head.labels = ("LABEL_0", "LABEL_1", "LABEL_2")
    assert task(folder).carried(head) is None


def test_a_carried_head_that_is_not_used_is_explained_and_asking_changes_nothing(
    folder: Path,
) -> None:
    class Carried(torch.nn.Module):
        def __init__(self, *labels: str) -> None:
            super().__init__()
            self.labels = labels

    xnli = task(folder)
    perfect = [xnli.score(e.fields["label"], e) for e in xnli.examples("de")]
    unnamed, fitting = Carried("LABEL_0", "LABEL_1", "LABEL_2"), Carried(*LABELS)
    for _ in range(2):
        assert xnli.carried(unnamed) is None and xnli.carried(fitting) is not None
        assert xnli.unused_head_reason(unnamed) == (
            "the checkpoint's own head is not used: its labels are LABEL_0, LABEL_1, LABEL_2, "
            "not entailment, neutral, contradiction (id2label in config.json)"
        )
        assert xnli.unused_head_reason(fitting) is None
        assert xnli.notes("de", perfect) == []
