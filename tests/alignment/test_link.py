"""`otx link`: every line has its links, an interrupted call goes on, and nothing is overwritten."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from otx.alignment import link as engine
from otx.alignment import link_parts
from otx.alignment.link_parts import LinkParts
from otx.cli import run as otx
from otx.cli.console import screen
from otx.links.extract import mutual_nearest
from otx.links.gold import read_gold
from otx.links.pharaoh import read_links
from otx.links.sidecar import read_record
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

COUNT = 40
SAMPLE = Path(__file__).parents[2] / "plugins/otx_corpora/sample"


@pytest.fixture
def link(tiny_model: Path, bitext: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `otx link` in parts of 8 pairs in an empty folder; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engine, "PART", 8)

    def run(
        *arguments: str, corpus: str = bitext, model: str = str(tiny_model), quiet: bool = True
    ) -> int:
        given = ["--model", model, *arguments]
        front = ["--quiet"] if quiet else []
        return otx([*front, "link", corpus, "--batch-tokens", "200", *given])

    return run


def alone(model: Path, bitext: str) -> list[set[tuple[int, int]]]:
    """The en-de links of each pair, encoded by itself."""
    encoder = HuggingFaceEncoder(str(model), EncoderOptions())
    sides = [Path(f"{bitext}.{side}").read_text().splitlines() for side in ("en", "de")]
    found = []
    with torch.no_grad():
        for pair in zip(*sides, strict=True):
            words, numbers = [], []
            for text in pair:
                encoded = encoder.encode(encoder.collate(encoder.tokenise([text])))
                vectors, mask = encoded.words()
                words.append(vectors[0][mask[0]])
                # A word without a sub-word of its own has a number all the same.
                numbers.append(mask[0].nonzero()[:, 0].tolist())
            x, y = (side[None] for side in words)
            links = mutual_nearest(x, x[..., 0].isfinite(), y, y[..., 0].isfinite())
            found.append({(numbers[0][i], numbers[1][j]) for _, i, j in links.tolist()})
    return found


def test_every_pair_has_the_links_that_it_has_alone(
    link: Any, tiny_model: Path, bitext: str
) -> None:
    assert link("--output", "out/links", "--probabilities", "sure") == 0
    assert read_links(Path("out/links")) == alone(tiny_model, bitext)
    sure = [line.split() for line in Path("sure").read_text().splitlines()]
    links = [line.split() for line in Path("out/links").read_text().splitlines()]
    assert [len(line) for line in sure] == [len(line) for line in links]
    assert all(0 <= float(value) <= 1 for line in sure for value in line)
    assert sorted(path.name for path in Path("out").iterdir()) == ["links", "links.json"]


@pytest.mark.parametrize("by", ["itermax", "softmax", "entmax", "plan", "null"])
def test_every_way_writes_as_many_lines(link: Any, by: str) -> None:
    assert link("--output", "links", "--method", by) == 0
    assert len(Path("links").read_text().splitlines()) == COUNT


def computed(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[int]:
    """Note the parts that are computed, and after some of them send this process a signal."""
    parts: list[int] = []
    write = LinkParts.write

    def noting(self: LinkParts, part: int, *rest: Any) -> None:
        write(self, part, *rest)
        parts.append(part)
        if len(parts) == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(LinkParts, "write", noting)
    return parts


@pytest.mark.parametrize("torn", [False, True])
def test_an_interrupted_call_goes_on_and_ends_the_same(
    link: Any, torn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert link("--output", "whole", "--probabilities", "whole.sure") == 0
    call = ("--output", "parts", "--probabilities", "parts.sure")
    with monkeypatch.context() as patched:
        assert computed(patched, stop_after=2) == []
        assert link(*call) == 5
    assert not Path("parts").exists() and not Path("parts.sure").exists()
    if torn:
        # As a killed process may leave it: a part without the file that is written last.
        Path(".parts.parts/000002.0").write_text("0-0 1-")
    parts = computed(monkeypatch)
    assert link(*call) == 0
    assert parts == [2, 3, 4]
    for ending in ("", ".sure"):
        assert Path(f"parts{ending}").read_bytes() == Path(f"whole{ending}").read_bytes()
    assert not list(Path().glob(".*"))


def test_a_call_with_another_option_does_not_go_on(
    link: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    computed(monkeypatch, stop_after=1)
    assert link("--output", "links") == 5
    for changed in (["--by", "softmax"], ["--layer", "0"], ["--probabilities", "sure"]):
        assert link("--output", "links", *changed) == 2
        assert "was begun with another corpus, encoder or option" in capfd.readouterr().err
    assert Path(".links.parts/000000.0").exists()


def test_a_complete_call_has_nothing_to_do(link: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a process that is started late, beside others, does not fail."""
    assert link("--output", "links") == 0
    before = Path("links").read_bytes()
    parts = computed(monkeypatch)
    assert link("--output", "links") == 0
    assert parts == [] and Path("links").read_bytes() == before
    assert link("--output", "links", "--layer", "0") == 2


def test_a_join_that_was_killed_is_repeated(link: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(link_parts, "write_record", killed)
        assert link("--output", "links") == 1
    before = Path("links").read_bytes()
    parts = computed(monkeypatch)
    assert link("--output", "links") == 0
    assert parts == [] and Path("links").read_bytes() == before


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    link: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        computed(patched, stop_after=1)
        assert link("--output", "links") == 5
    Path("links").write_text("mine\n")
    assert link("--output", "links") == 2
    assert "links exists already" in capfd.readouterr().err
    assert Path("links").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["links", "links.json"])
def test_a_file_that_is_there_is_never_overwritten(
    link: Any, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text("mine\n")
    assert link("--output", "links") == 2
    assert f"{name} exists already" in capfd.readouterr().err
    assert Path(name).read_text() == "mine\n"


@pytest.mark.parametrize(
    ("english", "german", "empty"),
    [
        ("one two\n\nthree four\nfive\n", "eins zwei\nleer\ndrei vier\nfünf\n", {2}),
        ("one\ntwo\n\n", "eins\nzwei\n\n", {3}),
        ("one\r\ntwo\r\n\r\n\r\n", "eins\r\nzwei\r\ndrei\r\n \r\n", {3, 4}),
        ("\n\n\x00\none\ntwo \x07\n", "a\nb\nc\neins\nzwei", {1, 2, 3, 5}),
        ("\ufeffone\n" + "\n" * 30, "eins\n" + "\n" * 30, {*range(2, 32)}),
        ("\n\n", "\n\n", {1, 2}),
    ],
)
def test_a_refused_line_has_an_empty_line(
    link: Any,
    english: str,
    german: str,
    empty: set[int],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that line k of the links is line k of the files, wherever the bad lines are and however many."""
    monkeypatch.setattr(screen, "quiet", False)
    Path("en-de.en").write_text(english, newline="")
    Path("en-de.de").write_text(german, newline="")
    assert link("--output", "links", "--probabilities", "sure", corpus="en-de", quiet=False) == 0
    lines = Path("links").read_text().split("\n")
    assert lines.pop() == "" and len(lines) == english.count("\n")
    assert {number for number, line in enumerate(lines, start=1) if not line} == empty
    assert len(Path("sure").read_text().splitlines()) == len(lines)
    out, err = capfd.readouterr()
    assert f"lines without links: {len(empty)} refused" in err
    assert f"links of {len(lines) - len(empty)} pairs in {len(lines)} lines" in out
    record = read_record(Path("links"))
    assert record is not None and record.lines == len(lines)


def written(corpus: str, links: Any) -> list[set[tuple[int, int]]]:
    name = corpus.replace("/", "-").replace(":", "-")
    assert link_pretokenised(links, corpus, name) == 0
    return [set(own) for own in read_links(Path(name))]


def link_pretokenised(link: Any, corpus: str, output: str) -> int:
    sets = ["--set", "files.pretokenised=true"]
    code: int = link("--output", output, *sets, corpus=corpus, model="mini")
    return code


def test_links_agree_with_gold_as_the_corpus_is_named(link: Any) -> None:
    """The sample's gold is en-de: of a file of that name links agree as written, of one of the other swapped."""
    gold = read_gold(SAMPLE / "heldout.en-de.gold", index_base=0)
    for name in ("en-de", "de-en", "plain"):
        for language, side in (("en", "source"), ("de", "target")):
            lines = [" ".join(getattr(pair, side)) for pair in gold]
            Path(f"{name}.{language}").write_text("\n".join(lines) + "\n")

    def agreeing(links: list[set[tuple[int, int]]]) -> tuple[int, int]:
        """Links that are in the gold, as they are and swapped; i-i is both ways the same."""
        right = wrong = 0
        for own, pair in zip(links, gold, strict=True):
            off = {(i, j) for i, j in own if i != j}
            right += len(off & pair.links.possible)
            wrong += len({(j, i) for i, j in off} & pair.links.possible)
        return right, wrong

    forward, backward = (written(name, link) for name in ("en-de", "de-en"))
    right, wrong = agreeing(forward)
    assert right > 50 and right > 4 * wrong
    assert agreeing(backward) == (wrong, right)
    for name, direction in (("en-de", "en-de"), ("de-en", "de-en")):
        record = read_record(Path(name))
        assert record is not None and record.direction == direction and record.index_base == 0
    # Two files are in the order in which they are given.
    assert written("en:plain.en,de:plain.de", link) == forward
    assert written("plain.de,plain.en", link) == backward


def test_probabilities_are_of_the_links_as_they_are_written(link: Any) -> None:
    both = []
    for name in ("en-de", "de-en"):
        Path(f"{name}.en").write_text("the one two three river\n")
        Path(f"{name}.de").write_text("eins und zwei\n")
        assert link("--output", f"{name}.links", "--probabilities", "sure", corpus=name) == 0
        links = [
            tuple(map(int, item.split("-"))) for item in Path(f"{name}.links").read_text().split()
        ]
        both.append(dict(zip(links, Path("sure").read_text().split(), strict=True)))
        Path("sure").unlink()
    assert both[0] and both[0] == {(j, i): sure for (i, j), sure in both[1].items()}


def test_links_of_a_run_are_those_of_its_encoder_and_train_the_next(
    link: Any, bitext: str, tiny_model: Path
) -> None:
    files = ["--set", "files.pretokenised=true"]
    common = ["align", "--corpus", bitext, "--quiet", "--steps", "3", *files]
    assert otx([*common, "--model", str(tiny_model), "--run", "first", "--lr", "0.01"]) == 0
    assert otx(["--quiet", "link", bitext, "--run", "first", "--output", "links", *files]) == 0
    assert link("--output", "same", *files, model="runs/first/model") == 0
    assert Path("links").read_bytes() == Path("same").read_bytes()
    wanted = ["--objective", "l2", "--set", "align.links=links", "--run", "second"]
    assert otx([*common, "--model", str(tiny_model), *wanted]) == 0


def test_what_was_cut_is_said(link: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert link("--output", "links", "--set", "encoder.max_length=6") == 0
    assert "pairs were cut at 6 sub-words (encoder.max_length)" in capfd.readouterr().err
    assert len(Path("links").read_text().splitlines()) == COUNT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "a.gz"], "written as plain text"),
        (["--output", "a", "--probabilities", "a"], "cannot hold links and probabilities"),
        (["--output", "a", "--probabilities", "a.json"], "cannot hold the record of the links"),
        (["--output", "a", "--method", "magic"], "--method magic: no such method"),
        (["--output", "a", "--threshold", "0.1"], "--threshold has no effect on argmax"),
        (["--output", "a", "--run", "r"], "give one of --run and --model"),
    ],
)
def test_what_cannot_be_is_refused(
    link: Any, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert link(*arguments) == 2
    assert message in capfd.readouterr().err
