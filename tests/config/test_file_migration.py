"""Rewriting an otx.toml of before settings had a table per component."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from otx.config.file_migration import migrate_file
from otx.config.migration import RENAMED, migrate_tables
from otx.config.settings import load_settings, settings_from
from otx.errors import UsageError
from tests.examples import examples

Run = Callable[..., CompletedProcess[str]]

OLD = """\
# The settings of my project.
[align]  # what is trained
# Slower than the default.
lr = 1e-4  # found by search

# About the whole table.

# Which text,
# and how much of it.
corpus = [
  "data/en-de",  # the large one
  "sample",
]
steps = 300
guard_every = 50

[data]
max_bad = 0.1

[sinkhorn]
epsilon = 0.05
"""
NEW = """\
# The settings of my project.
[align]  # what is trained

# About the whole table.

steps = 300

[data]
max_bad = 0.1
# Which text,
# and how much of it.
corpus = [
  "data/en-de",  # the large one
  "sample",
]

[sinkhorn]
epsilon = 0.05

[optimizer]
# Slower than the default.
lr = 1e-4  # found by search

[diagnostics]
every = 50
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "otx.toml"


def write(file: Path, text: str) -> Path:
    file.write_bytes(text.encode())
    return file


def test_comments_and_layout_are_kept(file: Path) -> None:
    migrated = migrate_file(write(file, OLD))
    assert migrated.after == NEW
    assert migrated.renamed == {
        "align.lr": "optimizer.lr",
        "align.corpus": "data.corpus",
        "align.guard_every": "diagnostics.every",
    } and migrated.diff().startswith("--- ")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[align]\nlr = 1", "[optimizer]\nlr = 1\n"),
        ("[align]\r\nlr = 1\r\n[eval]\r\n", "[eval]\r\n\r\n[optimizer]\r\nlr = 1\r\n"),
        ("align = {lr = 1, steps = 3}\n", "align = { steps = 3}\n\n[optimizer]\nlr = 1\n"),
        ("align.lr = 1\nalign.steps = 3\n", "align.steps = 3\n\n[optimizer]\nlr = 1\n"),
        (
            '[align]\n# slow\n"lr" = 1\n[data]\n[align.objective]\n',
            '[data]\n[align.objective]\n\n[optimizer]\n# slow\n"lr" = 1\n',
        ),
        ("", ""),
        ("[optimizer]\nlr = 1", "[optimizer]\nlr = 1"),
    ],
)
def test_each_way_to_write_a_key_is_rewritten(file: Path, before: str, after: str) -> None:
    assert migrate_file(write(file, before)).after == after


def test_a_key_under_both_names_is_refused_with_both_lines(file: Path) -> None:
    write(file, "[align]\nlr = 1\n[optimizer]\nlr = 2\n")
    with pytest.raises(UsageError) as caught:
        migrate_file(file)
    assert caught.value.message == (
        "'align.lr' (otx.toml:2) is also set under its new name, 'optimizer.lr' (otx.toml:4)"
    )


TEXTS = {
    "device": '"cpu"',
    "dtype": '"bf16"',
    "word_vector": '"mean"',
    "freeze": "[\n  'lower',  # half\n]",
    "vocabulary": '"whole"',
    "dropout": "false",
    "recompute": "true",
    "corpus": "['a', 'b']",
    "sampling": "'equal'",
    "every_pair": "true",
    "max_bad": "0.25",
    "drop_duplicates": "false",
    "drop_identical": "false",
    "lr": "1e-3",
    "warmup": "0.5",
    "keep_best": "'aer'",
    "index_base": "1",
    "model": "'mini'",
    "pivot": "'en'",
    "gold": "'g'",
}
"""A value of each old key that is no whole number."""
COMMENTS = st.sampled_from(["", "# above\n", "# above\n# it\n", "\n", "# apart\n\n", "\n# above\n"])
OTHERS = {
    "align.steps": "7",
    "align.seed": "2",
    "sinkhorn.epsilon": "0.2",
    "eval.seeds": "[1, 2]",
    "data.length_ratio": "2.5",
}


@st.composite
def files(draw: st.DrawFn) -> str:
    """Draw a file with some settings under old names, some under new ones, and comments."""
    old = draw(st.lists(st.sampled_from(sorted(RENAMED)), unique=True))
    new = draw(st.lists(st.sampled_from(sorted({*RENAMED} - {*old})), unique=True, max_size=8))
    lines: dict[str, list[tuple[str, str]]] = {}
    for key in draw(st.permutations(old)):
        lines.setdefault("align", []).append((key, TEXTS.get(key.split(".")[1], "3")))
    for key in new:
        lines.setdefault(RENAMED[key].split(".")[0], []).append(
            (RENAMED[key], TEXTS.get(key.split(".")[1], "3"))
        )
    for key in draw(st.lists(st.sampled_from(sorted(OTHERS)), unique=True)):
        if key not in {RENAMED[other] for other in new} and f"align.{key.split('.')[1]}" not in old:
            lines.setdefault(key.split(".")[0], []).append((key, OTHERS[key]))
    text = draw(COMMENTS)
    for table in draw(st.permutations(sorted(lines))):
        text += f"{draw(COMMENTS)}[{table}]\n"
        for key, value in draw(st.permutations(lines[table])):
            after = draw(st.sampled_from(["", "  # after"]))
            text += f"{draw(COMMENTS)}{key.split('.')[1]} = {value}{after}\n"
    return text + draw(COMMENTS)


def comments(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines() if line.strip().startswith("#"))


@examples(60)
@given(text=files())
def test_a_migrated_file_gives_the_settings_of_its_migrated_tables(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("project")
    migrated = migrate_file(write(folder / "otx.toml", text))
    expected = settings_from(migrate_tables(tomli.loads(text)), "it")
    write(folder / "otx.toml", migrated.after)
    settings = load_settings(start=folder, sets=["runs.folder=runs"])
    assert settings.as_dict() == expected.as_dict()
    assert comments(migrated.after) == comments(text)
    again = migrate_file(folder / "otx.toml")
    assert not again.renamed and again.after == migrated.after


def refusal(**given_as: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_settings(**given_as)
    return caught.value


def test_all_old_names_of_a_file_are_named_at_once(file: Path) -> None:
    error = refusal(start=write(file, OLD).parent)
    assert error.message == (
        "otx.toml has 3 settings under old names: 'align.lr' is now 'optimizer.lr' (line 4), "
        "'align.corpus' is now 'data.corpus' (line 10), "
        "'align.guard_every' is now 'diagnostics.every' (line 15)"
    )
    assert error.remedy == "rewrite the file with: otx config migrate"


def test_one_old_name_is_answered_with_the_new_one(file: Path) -> None:
    error = refusal(start=write(file, "[align]\nlr = 1\n").parent)
    assert error.message == "otx.toml:2: 'align.lr' is now 'optimizer.lr'"
    error = refusal(sets=["align.lr=1"], start=Path("/"))
    assert error.message == "--set: 'align.lr' is now 'optimizer.lr'"
    assert error.remedy == "write optimizer.lr"


def test_a_recipe_with_old_names_is_named(file: Path) -> None:
    recipe = write(file.parent / "mine.toml", "[align]\nlr = 1\ndevice = 'cpu'\n")
    error = refusal(recipe=recipe, start=Path("/"))
    assert error.message.startswith("recipe mine has 2 settings under old names: ")
    assert error.remedy == "write the new names"


def test_the_command_writes_the_file_and_keeps_the_old_one(otx: Run, file: Path) -> None:
    write(file, OLD)
    shown = otx("config", "migrate", "--dry-run")
    assert shown.returncode == 0 and "+lr = 1e-4  # found by search" in shown.stdout
    assert file.read_text() == OLD and [path.name for path in file.parent.iterdir()] == ["otx.toml"]
    done = otx("config", "migrate")
    assert done.returncode == 0
    assert "Renamed 3 settings in otx.toml; the old file is otx.toml.bak" in done.stdout
    assert file.read_text() == NEW and Path(f"{file}.bak").read_text() == OLD
    again = otx("config", "migrate")
    assert again.returncode == 0 and again.stdout == "otx.toml has no old names of settings\n"
    assert json.loads(otx("config", "show", "--json").stdout)["optimizer"]["lr"] == 1e-4


def test_the_command_replaces_no_backup_and_needs_a_file(otx: Run, file: Path) -> None:
    missing = otx("config", "migrate")
    assert missing.returncode == 2 and "no otx.toml" in missing.stderr
    write(file, OLD)
    write(Path(f"{file}.bak"), "mine")
    refused = otx("config", "migrate")
    assert refused.returncode == 2 and "otx.toml.bak exists" in refused.stderr
    assert file.read_text() == OLD and Path(f"{file}.bak").read_text() == "mine"
