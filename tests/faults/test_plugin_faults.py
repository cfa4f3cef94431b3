"""Faults of a third party's objectives, tasks and options are laid at its door, and its output stays off stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from otx.cli import run as otx

CODE = """
import sys
from dataclasses import dataclass

from otx import hookimpl
from otx.types import Metric, TaskInfo

NAMES = "plain shape bare forward scope module post mutate exits loud".split()


@dataclass(frozen=True)
class Post:
    "rate: anything but 0."

    rate: float = 1.0

    def __post_init__(self):
        1 / self.rate


def info(name, ask):
    return TaskInfo(name, "1", "probe", (Metric("m", lambda sums: sums[ask] / sums["n"]),), "CC0")


INFOS = {"gaps": info("gaps", "right"), "sums": info("sums", "nope"), "noisy": info("noisy", "right")}


@hookimpl
def otx_register(registry):
    for name in NAMES:
        options = Post if name == "post" else None
        registry.objective(name, f"bad_objects:{name.title()}", "a bad one", options)
    for name, task in INFOS.items():
        registry.task(name, f"bad_objects:{name.title()}", "a bad one", info=task)
"""

OBJECTS = """
import sys
import torch
from torch import nn
from otx.types import Example, Loss, Score
from otx.views import Links, States
from bad_obj import INFOS


class Plain(nn.Module):
    views, scope = {States()}, "mean"

    def __init__(self, options, dimension):
        super().__init__()

    def distance(self, pair):
        return (pair.source.sentences() - pair.pivot.sentences()).square().sum(1)

    def forward(self, pair):
        return Loss(self.distance(pair).mean(), count=len(pair))


Post = Plain


class Shape(Plain):
    def forward(self, pair):
        return Loss(self.distance(pair), count=len(pair))


class Bare(Plain):
    def forward(self, pair):
        return self.distance(pair).mean()


class Forward(Plain):
    def forward(self, pair):
        return Loss(pair[Links].sum(), count=len(pair))


class Scope(Plain):
    scope = None


class Module:
    views, scope = set(), "mean"

    def __init__(self, options, dimension):
        pass

    def __call__(self, pair):
        pass


class Mutate(Plain):
    def forward(self, pair):
        with torch.no_grad():
            pair.source.tokens[-1].mul_(0)
        return super().forward(pair)


class Exits(Plain):
    def forward(self, pair):
        sys.exit(0)


class Loud(Plain):
    def forward(self, pair):
        print("forward!")
        sys.stdout.write("more\\\\n")
        return super().forward(pair)


class Gaps:
    info, options, leave_out = INFOS["gaps"], None, 1

    def __init__(self, options):
        pass

    def languages(self):
        return ["de"]

    def examples(self, language):
        return [Example(str(i), str(i), {}) for i in range(3)]

    def fingerprint(self, language):
        return "x"

    def sentences(self, language):
        return []

    def probe(self, encoder, language):
        return {str(i): 1 for i in range(self.leave_out, 3)}

    def score(self, prediction, example):
        return Score(example.id, example.cluster, {"right": 1, "n": 1})

    def notes(self, language, scores):
        return []


class Sums(Gaps):
    info, leave_out = INFOS["sums"], 0


class Noisy(Gaps):
    info, leave_out = INFOS["noisy"], 0

    def probe(self, encoder, language):
        print("probing")
        return super().probe(encoder, language)

    def score(self, prediction, example):
        print("scoring")
        return super().score(prediction, example)
"""


@pytest.fixture
def bad(
    distribution: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Install the plugin ``bad-obj`` in this process."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    site = distribution("bad-obj", CODE)
    (site / "bad_objects.py").write_text(OBJECTS.replace("\\\\n", "\\n"))
    monkeypatch.syspath_prepend(str(site))
    yield
    for name in ("bad_obj", "bad_objects"):
        sys.modules.pop(name, None)


OBJECTIVES = {
    "shape": r"value has shape [",
    "bare": "it returns a Tensor, expected an otx.types.Loss",
    "forward": "MissingViewError: the batch has no view Links: views = {States(layer=-1)}; add Links() (bad",
    "scope": "its scope is None",
    "module": "Module is no torch.nn.Module",
    "post": "ZeroDivisionError: float division by zero",
    "mutate": "it changes pair.source.tokens[-1] in place",
    "exits": "it called sys.exit(0) (bad_objects.py:",
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_bad_objective_is_named_with_its_distribution(
    name: str, bad: None, align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", f"{name}.rate=0.0"] if name == "post" else []
    assert align("--objective", name, "--steps", "1", "--run", "r", *settings) == 4
    out, err = capfd.readouterr()
    (line,) = (line for line in err.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: objective '{name}' of bad-obj 1.0: {OBJECTIVES[name]}")
    assert out == "" and "a bug" not in err
    record = Path("runs/r/run.json")
    if record.exists():
        assert line.removeprefix("error: ") in json.loads(record.read_text())["error"]


def test_the_order_of_the_objectives_does_not_hide_a_change(
    bad: None, align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--objective", "plain", "--objective", "mutate", "--steps", "1") == 4
    assert "objective 'mutate' of bad-obj 1.0" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("gaps", "probe('de') leaves out 1 of 3 examples, the first with id '0'"),
        ("sums", "metric m asks for the sum 'nope', and the statistics of its scores are right, n"),
    ],
)
def test_a_bad_task_is_named_with_its_distribution(
    name: str, complaint: str, bad: None, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert otx(["--quiet", "eval", name, "--model", str(tiny_model)]) == 4
    out, err = capfd.readouterr()
    assert out == "" and err.startswith(f"error: task '{name}' of bad-obj 1.0: {complaint}")


def test_what_a_target_prints_goes_to_stderr(
    bad: None, align: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--objective", "loud", "--steps", "1", "--json") == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["status"] == "finished" and "forward!\nmore\n" in err
    assert otx(["--quiet", "eval", "noisy", "--model", str(tiny_model), "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)[0]["metrics"] == {"m": 1.0}
    assert err.count("probing\n") == 1 and err.count("scoring\n") == 3
    print("afterwards")
    assert capfd.readouterr().out == "afterwards\n"


def test_the_check_of_a_bad_plugin_has_a_line_for_each_check(
    bad: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert otx(["plugins", "check", "shape"]) == 4
    out, _ = capfd.readouterr()
    assert out.splitlines()[0] == "objective 'shape' of bad-obj 1.0"
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["pass", "pass", "FAIL"]
    assert otx(["plugins", "check", "plain"]) == 0
    assert "FAIL" not in capfd.readouterr().out
    assert otx(["plugins", "check", "bad-obj", "--json"]) == 4
    outcomes = {one["name"]: one for one in json.loads(capfd.readouterr().out)}
    failed = {name for name, one in outcomes.items() if one["error"] is not None}
    assert failed == {*OBJECTIVES, "gaps", "sums"} - {"post"}
    assert "views declare" not in outcomes["shape"]["error"]


@pytest.mark.parametrize("name", ["l2", "otx:l2", "sample:de"])
def test_the_kind_follows_from_the_name(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["plugins", "check", name]) == 0
    title, *checks = capfd.readouterr().out.splitlines()
    assert title.split()[0] == ("corpus" if name == "sample:de" else "objective")
    assert checks and all(line.split()[0] == "pass" for line in checks)


def test_an_unknown_name_is_answered_with_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert otx(["plugins", "check", "sinkhron"]) == 2
    assert "did you mean 'sinkhorn'?" in capfd.readouterr().err
