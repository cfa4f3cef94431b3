"""Every command in README.md and docs/ names commands, flags, settings, scripts and plugins that exist."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from otx.cli import application
from otx.config.objective_term import parse_term
from otx.config.settings import Settings, load_settings
from otx.plugin_host.host import host
from otx.plugin_host.registry import Registry

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("scripts/*.sh")])
VARIABLE = re.compile(r"^[A-Z_]+=\S*$")
FLAG = re.compile(r"--[a-z][a-z-]*")
PLACEHOLDER = re.compile(r"[A-Z<{.|$]|my\b")
"""A text that stands for another: STUDY, <name>, ..., run|table, $name, my-task."""


def lines_of_code(text: str) -> Iterator[str]:
    """Yield the lines of a script, or of a page's code blocks and its code spans; continuation lines are joined."""
    text = text.replace("\\\n", " ")
    if text.startswith("#!"):
        yield from text.split("\n")
        return
    in_fence = False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            in_fence = not in_fence
        elif in_fence or line.startswith("    "):
            yield line
        else:
            yield from re.findall(r"`([^`]+)`", line)


def commands_of(text: str) -> Iterator[list[str]]:
    """Yield the words of every command of ours, from ``otx`` or ``python`` on."""
    for line in lines_of_code(text):
        for part in re.split(r"&&|;|\|(?=\s)", line):
            try:
                words = shlex.split(part.strip().removeprefix("$ "), comments=True)
            except ValueError:
                continue
            while words and VARIABLE.match(words[0]):
                words.pop(0)
            if words and words[0].startswith("scripts/") and words[0].endswith(".py"):
                words.insert(0, "python")
            if len(words) > 1 and words[0] in ("otx", "python", "python3"):
                yield words


@pytest.fixture(scope="module")
def registry() -> Registry:
    return host(load_settings()).registry


@pytest.fixture(scope="module")
def keys(registry: Registry) -> set[str]:
    """Every dotted key that ``--set`` takes."""
    tables = {name: set(table) for name, table in Settings().as_dict().items()}
    kinds: tuple[Any, ...] = ("objective", "encoder", "corpus", "task")
    for entry in (entry for kind in kinds for entry in registry.entries(kind)):
        if entry.options is not None:
            tables[entry.name] = {field.name for field in dataclasses.fields(entry.options)}
    return {f"{table}.{key}" for table, names in tables.items() for key in names}


def fault(words: list[str], registry: Registry, keys: set[str], page: str = "") -> str | None:
    """Return what a command names that does not exist, or None; a name that the page's own example defines exists."""
    if words[0] == "otx":
        return _fault_of_otx(words[1:], registry, keys, page)
    target = words[2] if words[1] == "-m" else words[1]
    if target == "otx":
        return _fault_of_otx(words[3:], registry, keys, page)
    module = f"{target.replace('.', '/')}.py"
    path = ROOT / (module if words[1] == "-m" else target)
    if not target.startswith(("scripts", "benchmarks", "examples")):
        return None
    if not path.exists():
        return f"no file {target}"
    sources = [path, *(ROOT / "scripts/laboratory").glob("*.py")] if path.stem == "lab" else [path]
    if "benchmarks" in target:
        sources += path.parent.rglob("*.py")
    source = "".join(each.read_text(encoding="utf-8") for each in sources)
    return next(
        (f"no flag {word}" for word in words if FLAG.fullmatch(word) and word not in source), None
    )


def _fault_of_otx(words: list[str], registry: Registry, keys: set[str], page: str) -> str | None:
    command: Any = typer.main.get_command(application())
    flags = {"--help"}
    words = list(words)
    while True:
        flags |= {opt for parameter in command.params for opt in parameter.opts}
        below = getattr(command, "commands", {})
        place = next((n for n, word in enumerate(words) if not word.startswith("-")), None)
        if not below or place is None or PLACEHOLDER.search(words[place]):
            break
        if words[place] not in below:
            return f"no command {words[place]}"
        command = below[words.pop(place)]
    for word, following in pairwise([*words, ""]):
        name = word.partition("=")[0]
        if FLAG.fullmatch(name) and name not in flags:
            return f"no flag {name}"
        value = word.partition("=")[2] or following
        if PLACEHOLDER.match(value) or _is_example(value, page):
            continue
        if name == "--set" and value.partition("=")[0] not in keys:
            return f"no setting {value}"
        known = {"--recipe": "recipe", "--objective": "objective"}.get(name)
        term = parse_term(value).name if known == "objective" else value
        if known and term.rpartition(":")[2] not in {e.name for e in registry.entries(known)}:  # type: ignore[arg-type]
            return f"no {known} {term}"
    return None


def _is_example(value: str, page: str) -> bool:
    """Return whether the page defines the name that the value begins with, as ``"name"`` in an example."""
    name = re.match(r"(?:[0-9.]+\*)?([a-z][a-z0-9-]*)", value)
    return name is not None and f'"{name[1]}"' in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_can_be_given(
    page: Path, registry: Registry, keys: set[str]
) -> None:
    text = page.read_text(encoding="utf-8")
    checked = [
        (shlex.join(words), fault(words, registry, keys, text)) for words in commands_of(text)
    ]
    faults = [f"{command}: {problem}" for command, problem in checked if problem]
    assert not faults, "\n".join(faults)


def test_commands_are_found_and_faults_are_noticed(registry: Registry, keys: set[str]) -> None:
    text = """
Run `otx align --lr 1` or

    A=1 otx align --set optimizer.lr=1 --objective 0.5*l2 && otx nonsense
    otx align --set align.lr=1 \\
        --steps 3
    otx eval xnli --by argmax | python scripts/absent.py
"""
    results = [fault(words, registry, keys) for words in commands_of(text)]
    assert results == [
        None,
        None,
        "no command nonsense",
        "no setting align.lr=1",
        "no flag --by",
        "no file scripts/absent.py",
    ]
