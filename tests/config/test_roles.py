"""Roles of options: a key changes with every option but those whose field says otherwise."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from otx.config.roles import OPTIMISATION, PATH, digested_options, keyed_options, role
from otx.config.settings import load_settings
from otx.config.validation import field_types
from otx.errors import DataError, PluginError, UsageError
from otx.plugin_host.host import host
from otx.plugin_host.option_checks import check_options
from otx.plugin_host.registry import Kind

REGISTRY = host(load_settings()).registry
KINDS: tuple[Kind, ...] = ("objective", "encoder", "corpus", "task")
ENTRIES = [e for kind in KINDS for e in REGISTRY.entries(kind) if e.options is not None]


@dataclass(frozen=True)
class Misleading:
    """Names that say nothing about the role."""

    train: int = 1
    data: str = "a"
    also: bool = False
    batch: int = 8
    where: str | None = field(default=None, metadata=PATH)
    rate: float = field(default=0.1, metadata=OPTIMISATION)


def others(kind: type[Any], name: str) -> Iterator[Any]:
    """Instances that differ from the default one in this field only, where its checks allow any."""
    default, hint = kind(), field_types(kind)[name]
    value = getattr(default, name)
    kinds = get_args(hint) if get_origin(hint) is not Literal else ()
    candidates: list[Any] = [*get_args(hint)] if get_origin(hint) is Literal else []
    for one in [hint, *kinds]:
        if get_origin(one) is Literal:
            candidates += get_args(one)
        elif one is bool:
            candidates += [not value]
        elif one is int:
            candidates += [1, 2, 3, 7, -2]
        elif one is float:
            candidates += [0.5, 0.3, 2.0, 0.01, 5.0]
        elif one is str:
            candidates += ["other", "words", "cosine", "1", "latin-1"]
        elif get_origin(one) is tuple:
            candidates += [(2,), (0.5,), ("other",), ("en:a", "de:b")]
    for candidate in candidates:
        if candidate != value:
            try:
                yield dataclasses.replace(default, **{name: candidate})
            except (UsageError, TypeError):
                continue


def fields_of(kind: type[Any], *roles: str | None) -> list[str]:
    return [f.name for f in dataclasses.fields(kind) if role(f) in roles]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_every_option_without_a_role_changes_the_keys(entry: Any) -> None:
    kind = entry.options
    for name in fields_of(kind, None):
        other = next(others(kind, name), None)
        assert other is not None, f"no other value of {name} is known to this test"
        for keys in (keyed_options, digested_options):
            assert keys(kind()) != keys(other), name


def test_names_do_not_decide() -> None:
    plain = Misleading()
    for name, value in {"train": 2, "data": "b", "also": True, "batch": 9, "rate": 0.2}.items():
        other = dataclasses.replace(plain, **{name: value})
        assert keyed_options(plain) != keyed_options(other)
    assert keyed_options(plain) == keyed_options(dataclasses.replace(plain, where="elsewhere"))


def test_an_unknown_role_is_refused() -> None:
    @dataclass(frozen=True)
    class Wrong:
        x: int = field(default=1, metadata={"role": "secret"})

    with pytest.raises(PluginError, match=r"option x declares the role 'secret'.*path"):
        keyed_options(Wrong())
    with pytest.raises(PluginError, match=r"option x declares the role 'secret'"):
        check_options(Wrong)


def test_a_path_counts_by_its_content(tmp_path: Path) -> None:
    one, copy = tmp_path / "one", tmp_path / "copy"
    (one / "deep").mkdir(parents=True)
    (one / "deep" / "x").write_text("1")
    shutil.copytree(one, copy)
    before = digested_options(Misleading(where=str(one)))
    assert digested_options(Misleading(where=str(copy))) == before
    assert str(one) not in str(before)
    (copy / "deep" / "x").write_text("2")
    assert digested_options(Misleading(where=str(copy))) != before
    shutil.move(one / "deep" / "x", one / "deep" / "y")
    assert digested_options(Misleading(where=str(one))) != before
    with pytest.raises(DataError, match="none"):
        digested_options(Misleading(where=str(tmp_path / "none")))
