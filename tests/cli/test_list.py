from __future__ import annotations

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("kind", "some"),
    [
        ("objectives", {"sinkhorn", "unbalanced", "l2", "contrastive", "keep-close"}),
        ("encoders", {"huggingface", "mini"}),
        ("corpora", {"files", "sample", "hub"}),
        ("tasks", {"retrieval", "word-alignment", "xquad", "xnli"}),
        ("recipes", {"wordot", "wordot-text", "l2-cao", "contrastive-strong"}),
    ],
)
def test_what_ships_is_listed(otx: Run, kind: str, some: set[str]) -> None:
    rows = json.loads(otx("list", kind, "--json").stdout)
    assert some <= {row["name"] for row in rows}
    assert all(row["summary"] and row["distribution"] == "otx" for row in rows)
    text = otx("list", kind)
    assert text.stderr == ""
    assert [line.split()[0] for line in text.stdout.splitlines()] == [row["name"] for row in rows]


def test_json_tells_every_option_and_what_it_is(otx: Run) -> None:
    rows = {row["name"]: row for row in json.loads(otx("list", "objectives", "--json").stdout)}
    epsilon = rows["sinkhorn"]["options"]["epsilon"]
    assert isinstance(epsilon["default"], float) and "regularisation" in epsilon["help"]
    for kind in ("objectives", "encoders", "corpora", "tasks"):
        for row in json.loads(otx("list", kind, "--json").stdout):
            assert all(option["help"] for option in row.get("options", {}).values()), row["name"]


def test_json_tells_what_a_task_is(otx: Run) -> None:
    rows = {row["name"]: row for row in json.loads(otx("list", "tasks", "--json").stdout)}
    assert rows["xquad"]["task"] == "transfer" and rows["retrieval"]["task"] == "probe"
    assert rows["xquad"]["metrics"] and rows["xquad"]["licence"] and rows["xquad"]["version"]
