from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from otx.errors import PluginError, UsageError
from otx.registry import API, Registry
from otx.types import TaskInfo

INFO = TaskInfo("quiz", "1", "probe", (), "CC0")


@dataclass(frozen=True)
class Options:
    """Some options."""

    size: int = 3


@dataclass
class Loose:
    """Options that are not frozen."""


def filled(distribution: str, *names: str) -> Registry:
    registry = Registry(distribution)
    for name in names:
        registry.objective(
            name, f"{distribution.replace('-', '_')}.code:Thing", f"{name} by itself"
        )
    return registry


def joined(*registries: Registry, prefer: dict[str, str] | None = None) -> Registry:
    whole = Registry(prefer=prefer)
    for registry in registries:
        whole.extend(registry)
    return whole


def test_every_kind_is_found_by_its_name() -> None:
    registry = Registry("mine")
    registry.objective("pull", "a.b:C", "pulls", Options)
    registry.encoder("small", "a.b:C", "encodes")
    registry.corpus("lines", "a.b:c", "reads")
    registry.task("quiz", "a.b:C", "asks", Options, info=INFO)
    registry.recipe("paper", Path("paper.toml"), "as published")
    assert registry.find("objective", "pull").options is Options
    assert registry.find("encoder", "small").target == "a.b:C"
    assert registry.find("corpus", "lines").distribution == "mine"
    assert registry.find("task", "quiz").info is INFO
    assert registry.find("recipe", "paper").path == Path("paper.toml")
    assert registry.names() == {"pull", "small", "lines", "quiz"}


def test_entries_come_by_name() -> None:
    names = [entry.name for entry in filled("mine", "push", "draw", "lift").entries("objective")]
    assert names == ["draw", "lift", "push"]


def test_a_target_is_loaded_when_asked_for() -> None:
    registry = Registry("mine")
    registry.corpus("paths", "pathlib:PurePosixPath", "paths")
    from pathlib import PurePosixPath

    assert registry.find("corpus", "paths").load() is PurePosixPath


@pytest.mark.parametrize("target", ["no_such_module_at_all:Thing", "pathlib:NoSuchThing"])
def test_a_target_that_cannot_be_loaded_is_named(target: str) -> None:
    registry = Registry("mine")
    registry.objective("pull", target, "pulls")
    with pytest.raises(PluginError) as caught:
        registry.find("objective", "pull").load()
    for part in ("pull", "mine", target):
        assert part in caught.value.message
    assert caught.value.exit_code == 4


def test_an_unknown_name_names_its_neighbour() -> None:
    with pytest.raises(UsageError) as caught:
        filled("mine", "sinkhorn", "l2").find("objective", "sinkhron")
    assert "unknown objective 'sinkhron'" in caught.value.message
    assert "did you mean 'sinkhorn'?" in (caught.value.remedy or "")


def test_an_unknown_name_without_a_neighbour_names_all() -> None:
    with pytest.raises(UsageError) as caught:
        filled("mine", "sinkhorn", "l2").find("objective", "zzz")
    assert "l2, sinkhorn" in (caught.value.remedy or "")


def test_a_clash_names_both_owners() -> None:
    registry = joined(filled("alpha", "pull"), filled("beta", "pull"))
    with pytest.raises(UsageError) as caught:
        registry.find("objective", "pull")
    assert "alpha" in caught.value.message and "beta" in caught.value.message
    assert "alpha:pull or beta:pull" in (caught.value.remedy or "")


def test_a_clash_is_settled_by_the_owner_or_by_preference() -> None:
    parts = filled("alpha", "pull"), filled("My.Beta", "pull")
    assert joined(*parts).find("objective", "alpha:pull").distribution == "alpha"
    assert joined(*parts).find("objective", "my-beta:pull").distribution == "My.Beta"
    preferred = joined(*parts, prefer={"pull": "my_beta"})
    assert preferred.find("objective", "pull").distribution == "My.Beta"
    assert preferred.find("objective", "alpha:pull").distribution == "alpha"


def test_a_preference_for_an_owner_that_has_no_such_name_is_an_error() -> None:
    with pytest.raises(UsageError):
        joined(filled("alpha", "pull"), prefer={"pull": "beta"}).find("objective", "pull")


@pytest.mark.parametrize(
    "name", ["", "Sinkhorn", "a b", "0.5*x", "a.b", "a:b", "align", "runs", "-x"]
)
def test_a_name_that_the_grammar_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(PluginError):
        Registry("mine").objective(name, "a:B", "")


@pytest.mark.parametrize("target", ["", "module", "module:", ":Name", "a/b:C", "a:B:C"])
def test_a_target_that_is_none_is_refused(target: str) -> None:
    with pytest.raises(PluginError, match="target"):
        Registry("mine").objective("pull", target, "")


def test_one_distribution_cannot_have_one_name_twice() -> None:
    registry = filled("mine", "pull")
    with pytest.raises(PluginError, match="twice"):
        registry.task("pull", "a:B", "", info=TaskInfo("pull", "1", "probe", (), ""))
    registry.recipe("pull", Path("pull.toml"), "a recipe has no table of options")


@pytest.mark.parametrize("options", [Loose, dict, int])
def test_options_must_be_a_frozen_dataclass(options: type) -> None:
    with pytest.raises(PluginError, match="frozen dataclass"):
        Registry("mine").objective("pull", "a:B", "", options)


def test_a_task_and_its_info_bear_one_name() -> None:
    with pytest.raises(PluginError, match="quiz"):
        Registry("mine").task("test", "a:B", "", info=INFO)


def test_a_newer_contract_is_refused() -> None:
    Registry("mine").require_api(API)
    with pytest.raises(PluginError, match=f"needs plugin API {API + 1}, and this otx has {API}"):
        Registry("mine").require_api(API + 1)
