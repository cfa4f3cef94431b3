import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError
from otx_tasks.probes.bucc import BuccTask
from otx_tasks.probes.options import BuccOptions

Write = Callable[[str, str], Path]
TEXT = "the bridge over river was opened by mayor of Lindau in 1931 Die Fluss wurde vom"
WORDS = TEXT.split()


def text(number: int) -> str:
    return " ".join(WORDS[(number * 7 + k * (number % 5 + 1)) % len(WORDS)] for k in range(6))


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    """Made in BUCC's format: of 12 sentences a side, the first four are each other's (the very same words)."""
    for split, shift in (("training", 0), ("test", 50)):
        german = [text(shift + i) for i in range(12)]
        english = [*german[:4], *(text(shift + 20 + i) for i in range(8))]
        for language, lines in (("de", german), ("en", english)):
            write(
                f"bucc/de-en/de-en.{split}.{language}" + (".gz" if language == "de" else ""),
                "".join(f"{language}-{i:03}\t{line}\n" for i, line in enumerate(lines)),
            )
        gold = "".join(f"de-{i:03}\ten-{i:03}\n" for i in range(4))
        write(f"bucc/de-en/de-en.{split}.gold", gold)
    return tmp_path


def task(folder: Path) -> BuccTask:
    return BuccTask(BuccOptions(data=str(folder)))


def test_translations_are_mined_out_of_two_texts(folder: Path, tiny: Any) -> None:
    bucc = task(folder)
    assert bucc.languages() == ["de"]
    examples = bucc.examples("de")
    assert len(examples) == 12 and examples[0].fields["gold"] == ["en-000"]
    found = json.loads(json.dumps(bucc.probe(tiny(), "de")))
    for number in range(4):
        assert found[f"de-{number:03}"]["pivot"] == f"en-{number:03}"
    scores = [bucc.score(found[e.id], e) for e in examples]
    sums = {n: sum(s.statistics[n] for s in scores) for n in ("right", "found", "gold")}
    numbers = {metric.name: metric.compute(sums) for metric in bucc.info.metrics}
    assert numbers["recall"] == 1.0
    assert numbers["f1"] == pytest.approx(2 * 4 / (sums["found"] + 4))
    assert bucc.notes("de", scores) == ["4 pairs to find among 12 sentences"]
    assert len(bucc.sentences("de")) == 24


def test_the_threshold_never_sees_the_test_pairs(folder: Path, tiny: Any, write: Write) -> None:
    """With no right pair in training, none is believed in the test, however right."""
    write("bucc/de-en/de-en.training.gold", "")
    before = task(folder).fingerprint("de")
    found = task(folder).probe(tiny(), "de")
    assert {made["pivot"] for made in found.values()} == {None}
    write("bucc/de-en/de-en.training.gold", "de-000\ten-000\n")
    assert task(folder).fingerprint("de") != before


def test_what_does_not_fit_is_named(folder: Path, write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bucc: no files for fr"):
        task(folder).examples("fr")
    write("bucc/de-en/de-en.test.gold", "de-000\ten-999\n")
    with pytest.raises(DataError, match=r"test\.gold:1: no sentences have these ids"):
        task(folder).examples("de")
    write("bucc/de-en/de-en.test.en", "en-000\ta\nen-000\tb\n")
    with pytest.raises(DataError, match=r"test\.en:2: not a unique id"):
        task(folder).examples("de")
    (folder / "bucc/de-en/de-en.test.gold").unlink()
    with pytest.raises(DataError, match=r"de-en\.test\.gold: no such file"):
        task(folder).examples("de")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no XX-en\.test\.XX"):
        task(tmp_path / "empty").languages()
    with pytest.raises(DataError, match="bucc needs files"):
        BuccTask(BuccOptions()).languages()
