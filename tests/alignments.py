"""Fixtures of tests that run whole alignments: a tiny encoder, a small bitext, and a finished run."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from otx.cli import run as otx
from tests.tiny import save_tiny_model

TRAIN = 40


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer of 32 dimensions with the embedded encoder's tokenizer, as a Hugging Face folder."""
    return save_tiny_model(
        tmp_path_factory.mktemp("tiny"),
        hidden_size=32,
        intermediate_size=48,
        max_position_embeddings=130,
    )


@pytest.fixture(scope="session")
def bitext(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A prefix of 40 line-aligned English and German sentences, taken from the embedded sample."""
    return cut_sample(tmp_path_factory.mktemp("bitext"), TRAIN)


@pytest.fixture(scope="session")
def larger_bitext(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As ``bitext`` with 160: 16 pairs are held out to choose by, as fewer than 6 are refused for that."""
    return cut_sample(tmp_path_factory.mktemp("larger"), 160)


def cut_sample(folder: Path, lines: int) -> str:
    """Write the first lines of the embedded sample and return their prefix."""
    sample = Path(__file__).parents[1] / "plugins/otx_corpora/sample"
    for language in ("en", "de"):
        text = (sample / f"train.{language}.txt").read_text(encoding="utf-8")
        first = "\n".join(text.split("\n")[:lines]) + "\n"
        (folder / f"en-de.{language}").write_text(first, encoding="utf-8")
    return str(folder / "en-de")


def align_with(bitext: str, model: str, *arguments: str) -> int:
    """Run `otx align` in the working folder and return the exit code."""
    common = ["--model", model, "--corpus", bitext, "--batch-tokens", "300", "--quiet"]
    return otx(["align", *common, *arguments])


@pytest.fixture
def align(tiny_model: Path, bitext: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs `otx align` on the tiny encoder in an empty folder and returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str, model: str = str(tiny_model)) -> int:
        return align_with(bitext, model, *arguments)

    return run


@pytest.fixture(scope="session")
def aligned_once(tiny_model: Path, bitext: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the finished run `r` of two steps, made once; tests work on copies."""
    folder = tmp_path_factory.mktemp("aligned")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert align_with(bitext, str(tiny_model), "--steps", "2", "--run", "r") == 0
    return folder


@pytest.fixture
def aligned(
    aligned_once: Path, tmp_path: Path, align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Copy the finished run `r` into the folder of `align`."""
    shutil.copytree(aligned_once, tmp_path, dirs_exist_ok=True)
    capfd.readouterr()
