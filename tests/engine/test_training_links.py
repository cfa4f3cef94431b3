"""Links to train with, from each source: of the words that vectors are made of, whatever is cut."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from otx.cli import run as otx
from otx.engine import training_links
from otx.engine.job import AlignJob
from otx.engine.training_links import Source, sources

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
    collate = AlignJob.collate

    def watched(self: AlignJob, number: int, indices: Any) -> Any:
        batch = collate(self, number, indices)
        assert batch.links is not None
        decode = self.encoder.tokenizer.decode
        for row, i, j in batch.links.tolist():
            pair = []
            for side, word in ((batch.source, i), (batch.pivot, j)):
                ids = side.ids[row][side.word_index[row] == word].tolist()
                pair.append(decode(ids).strip())
            found.append((pair[0], pair[1]))
        return batch

    monkeypatch.setattr(AlignJob, "collate", watched)
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
    limit = ["--set", "align.max_length=9"]
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
    import signal

    loss = AlignJob.loss

    def stopping(self: AlignJob, batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    Path("d.txt").write_text("und and\n. .\n")
    with monkeypatch.context() as patched:
        patched.setattr(AlignJob, "loss", stopping)
        wanted = ["--objective", "l2", "--steps", "3", "--set", "align.links=dictionary:d.txt"]
        assert align(*wanted, "--run", "r") == 5
    Path("d.txt").write_text("und and\n")
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert "changed" in capfd.readouterr().err


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
