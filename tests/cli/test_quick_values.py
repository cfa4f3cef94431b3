from __future__ import annotations

import sys
from importlib import util
from types import ModuleType
from typing import Annotated, Any

import pytest
import typer

from otx.cli import quick_values

CALLS = [
    [],
    ["--text", "12", "--many", "a", "--many", "b", "--flag", "--count", "7", "--path", "x"],
    ["--count", "many"],
    ["--text"],
]


def call(values: ModuleType | None, arguments: list[str]) -> Any:
    """Return what a command receives, or its error; None reads values as typer does."""

    def command(
        words: Annotated[list[str] | None, typer.Argument()] = None,
        text: str | None = None,
        many: Annotated[list[str] | None, typer.Option()] = None,
        flag: bool = False,
        count: int = 3,
        path: str = "here",
    ) -> tuple[Any, ...]:
        return words, text, many, flag, count, path

    app = typer.Typer()
    app.command()(command)
    parsed: Any = typer.main.get_command(app)
    if values is not None:
        values.read_quickly(parsed)
    try:
        return parsed(arguments, standalone_mode=False)
    except Exception as error:
        return type(error), str(error)


def loaded_anew() -> ModuleType:
    spec = util.spec_from_file_location("quick_values_anew", quick_values.__file__)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("arguments", CALLS)
def test_values_are_those_of_typer(arguments: list[str]) -> None:
    assert quick_values.CAN_READ
    assert call(quick_values, arguments) == call(None, arguments)


def test_only_other_values_are_read_by_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    build, kinds = quick_values.build_runtime_param, []

    def note(described: Any) -> Any:
        kinds.append(described.annotation)
        return build(described)

    monkeypatch.setattr(quick_values, "build_runtime_param", note)
    call(quick_values, ["a", "b", "--text", "c", "--many", "d", "--flag"])
    assert kinds == [int]


@pytest.mark.parametrize("arguments", CALLS)
def test_a_typer_of_other_private_names_reads_them_itself(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typer._coercion", ModuleType("typer._coercion"))
    other = loaded_anew()
    assert not other.CAN_READ
    assert call(other, arguments) == call(None, arguments)
