"""Links to train with, from each source: of the words that vectors are made of, whatever is cut."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otx.alignment import training_links
from otx.alignment.trainable import TrainableAlignment
from otx.alignment.training_links import Source, sources
from otx.cli import run as otx
from otx.data.bitext import Bitext, read_bitext
from otx.data.subset import Subset
from otx.errors import DataError, OTXError, UsageError
from otx.interfaces import Corpus
from otx.views import Links

STAND_IN = """#!{python}
import sys
options = dict(part.removeprefix("--").split("=", 1) for part in sys.argv[1:] if "=" in part)
rows = open(options["source"]).read().splitlines()
for way in ("forward-links", "reverse-links"):
    open(options[way], "w").write("0-0\\n" * len(rows))
open({log!r}, "a").write("asked\\n")
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/links", [Source("", "file", Path("a/links"))]),
        ("de:a,es:b", [Source("de", "file", Path("a")), Source("es", "file", Path("b"))]),
        ("dictionary:d.txt", [Source("", "dictionary", Path("d.txt"))]),
        ("de:dictionary:d.txt", [Source("de", "dictionary", Path("d.txt"))]),
        ("eflomal", [Source("", "eflomal")]),
        ("de:eflomal, es:b", [Source("de", "eflomal"), Source("es", "file", Path("b"))]),
        ("./eflomal", [Source("", "file", Path("eflomal"))]),
    ],
)
def test_sources_are_read(text: str, expected: list[Source]) -> None:
    assert sources(text) == expected


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """The words that each link of the first batch joins, found from the sub-words themselves."""
    found: list[tuple[list[str], list[str]]] = []
    loss = TrainableAlignment.loss

    def watched(self: TrainableAlignment, prepared: Any) -> Any:
        batch, encoded = prepared.pairs, self.views(prepared.pairs)
        decode = self.encoder.tokenizer.decode
        for row, i, j in encoded[Links].tolist():
            pair = []
            for side, word in ((batch.source, i), (batch.pivot, j)):
                ids = side.ids[row][side.word_index[row] == word].tolist()
                pair.append(decode(ids).strip())
            found.append((pair[0], pair[1]))
        return loss(self, prepared)

    monkeypatch.setattr(TrainableAlignment, "loss", watched)
    return found


def test_a_dictionary_links_the_words_it_names_in_plain_text(
    align: Any, tmp_path: Path, used: list[Any]
) -> None:
    """Without pre-tokenisation: punctuation is a word of its own, and the links still meet their words."""
    Path("d.txt").write_text("und and\nich I\n. .\nist is\n")
    wanted = ["--objective", "l2", "--steps", "2", "--run", "r"]
    assert align(*wanted, "--set", "align.links=dictionary:d.txt") == 0
    assert used
    assert {(s.lower(), p.lower()) for s, p in used} <= {
        ("und", "and"), ("ich", "i"), (".", "."), ("ist", "is"),
    }  # fmt: skip


def test_links_to_words_that_were_cut_are_dropped(
    align: Any, tmp_path: Path, used: list[Any]
) -> None:
    Path("d.txt").write_text(". .\n")
    wanted = ["--objective", "l2", "--objective", "mlm", "--steps", "2", "--run", "r"]
    limit = ["--set", "encoder.max_length=9"]
    assert align(*wanted, *limit, "--set", "align.links=dictionary:d.txt") == 0
    assert all(pair == (".", ".") for pair in used)


def test_eflomal_is_run_once_and_its_links_are_kept(
    align: Any, tmp_path: Path, used: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "eflomal-align"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, log=str(tmp_path / "log")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    wanted = ["--objective", "l2", "--steps", "2", "--set", "align.links=eflomal"]
    assert align(*wanted, "--run", "a") == 0
    assert align(*wanted, "--run", "b", "--seed", "2") == 0
    assert used and (tmp_path / "log").read_text() == "asked\n"


def test_a_changed_dictionary_is_refused_on_resume(
    align: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loss = TrainableAlignment.loss

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    Path("d.txt").write_text("und and\n. .\n")
    with monkeypatch.context() as patched:
        patched.setattr(TrainableAlignment, "loss", stopping)
        wanted = ["--objective", "l2", "--steps", "3", "--set", "align.links=dictionary:d.txt"]
        assert align(*wanted, "--run", "r") == 5
    Path("d.txt").write_text("und and\n")
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    refusal = r"error: run r cannot be resumed: links .*en-de changed \(\w+ then, \w+ now\)\n"
    assert re.search(refusal, capfd.readouterr().err)


def test_text_whose_words_are_sub_words_has_no_links() -> None:
    class Listed:
        pretokenised = False
        pairs = ("แมวกินปลา", "the cat eats fish"), ("Hund da", "dog there")

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            from otx.types import Pair

            return Pair(*self.pairs[index], index + 1)

    listed: Any = Listed()
    assert training_links._words(listed) == [
        ([], ["the", "cat", "eats", "fish"]),
        (["Hund", "da"], ["dog", "there"]),
    ]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bitext:
    """Two pre-tokenised pairs, source de and pivot en."""
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "en-de.de").write_text("eins zwei drei\nvier fünf\n")
    (tmp_path / "en-de.en").write_text("one two\nthree\n")
    files = tmp_path / "en-de.de", tmp_path / "en-de.en"
    return read_bitext(*files, languages=("de", "en"), name="en-de", pretokenised=True)


EN_DE = "0-2 1-0\n0-1\n"
DE_EN = [{(2, 0), (0, 1)}, {(1, 0)}]


def read_links_of(
    folder: Path, corpus: Corpus, text: str, record: dict[str, Any] | None, *directions: str
) -> list[Any]:
    (folder / "links").write_text(text)
    if record is not None:
        (folder / "links.json").write_text(json.dumps(record))
    return training_links._from_file(folder / "links", corpus, directions)


@pytest.mark.parametrize(
    ("text", "record", "directions"),
    [
        (EN_DE, {"direction": "en-de"}, []),
        ("2-0 0-1\n1-0\n", {"direction": "de-en", "index_base": 0}, []),
        (EN_DE, None, ["en-de"]),
        ("2-0 0-1\n1-0\n", None, ["fr-en", "de-en"]),
        (EN_DE, {"direction": "en-de"}, ["en-de"]),
        ("1-3 2-1\n1-2\n", {"direction": "en-de", "index_base": 1}, []),
    ],
)
def test_links_are_read_in_the_direction_that_is_stated(
    tmp_path: Path, corpus: Bitext, text: str, record: Any, directions: list[str]
) -> None:
    assert read_links_of(tmp_path, corpus, text, record, *directions) == DE_EN


def test_links_of_a_part_are_those_of_the_whole(tmp_path: Path, corpus: Bitext) -> None:
    record = {"direction": "en-de", "corpus_digest": corpus.fingerprint()}
    part = Subset(corpus, np.array([1]))
    assert read_links_of(tmp_path, part, EN_DE, record) == DE_EN[1:]


@pytest.mark.parametrize(
    ("text", "record", "directions", "error", "message"),
    [
        (EN_DE, None, [], UsageError, "nothing states the direction .*add --links-direction de-en"),
        (EN_DE, {"direction": "en-fr"}, [], UsageError, "direction en-fr is not one of de and en"),
        (EN_DE, {"direction": "en-de"}, ["de-en"], UsageError, "says en-de, and align.links_dir"),
        (EN_DE, None, ["de-en", "en-de"], UsageError, "give one of them"),
        (EN_DE, {"direction": "de-en"}, [], DataError, "links:1: .* outside its pair"),
        (EN_DE, {"direction": "en-de", "corpus_digest": "00"}, [], DataError, "of another corpus"),
        ("1-3 2-1\n1-2\n", None, ["en-de"], DataError, "links: no index is 0"),
        ("0-2\n0-1\n", {"direction": "en-de", "index_base": 1}, [], DataError, "links:1: .*below"),
        ("0-2\n0-" + "1" * 5000, None, ["en-de"], DataError, "links:2: .* more than 9 digits"),
    ],
)
def test_links_that_may_mean_something_else_are_refused(
    tmp_path: Path,
    corpus: Bitext,
    text: str,
    record: Any,
    directions: list[str],
    error: type[OTXError],
    message: str,
) -> None:
    with pytest.raises(error) as caught:
        read_links_of(tmp_path, corpus, text, record, *directions)
    assert re.search(message, str(caught.value))


def test_links_of_link_train_as_if_their_direction_was_given(
    align: Any, bitext: str, tiny_model: Path, used: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """Its record is enough; without it the same links need their direction; of another text they are refused."""
    files = ["--set", "files.pretokenised=true"]
    assert (
        otx(["--quiet", "link", bitext, "--model", str(tiny_model), "--output", "l", *files]) == 0
    )
    wanted = ["--objective", "l2", "--steps", "2", "--set", "align.links=l", *files]
    assert align(*wanted, "--run", "a") == 0
    first = used.copy()
    used.clear()
    Path("l.json").rename("kept.json")
    assert align(*wanted, "--run", "b") == 2
    assert align(*wanted, "--run", "b", "--links-direction", "en-de") == 0
    assert first and used == first
    Path("kept.json").rename("l.json")
    for side in ("en", "de"):
        lines = Path(f"{bitext}.{side}").read_text().splitlines()
        Path(f"en-de.{side}").write_text("\n".join([*lines[1:], lines[0]]) + "\n")
    capfd.readouterr()
    other = ["align", "--model", str(tiny_model), "--corpus", "en-de", "--quiet", *wanted]
    assert otx([*other, "--run", "c"]) == 3
    assert "its links are of another corpus than en-de" in capfd.readouterr().err


def test_a_direction_that_is_changed_is_refused_on_resume(
    align: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loss = TrainableAlignment.loss

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    Path("l").write_text("0-0\n" * 40)
    Path("l.json").write_text('{"direction": "en-de"}')
    wanted = ["--objective", "l2", "--steps", "3", "--set", "align.links=l"]
    with monkeypatch.context() as patched:
        patched.setattr(TrainableAlignment, "loss", stopping)
        assert align(*wanted, "--run", "r", "--set", "files.pretokenised=true") == 5
    Path("l.json").write_text('{"direction": "de-en"}')
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert "read as changed (en-de from 0 then" in capfd.readouterr().err
