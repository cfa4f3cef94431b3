from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from otx.config.objective_term import COLUMNS
from otx.config.option_tables import OptionTables
from otx.errors import PluginError, UsageError
from otx.plugin_host.absent import Absent
from otx.plugin_host.api_level import API
from otx.plugin_host.registry import Registry
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


def test_options_are_imported_when_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_options.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Late:\n    size: int = 3\n"
    )
    registry = Registry("mine")
    registry.objective("pull", "a.b:C", "pulls", "late_options:Late")
    entry = registry.find("objective", "pull")
    assert "late_options" not in sys.modules
    assert entry.read_options(OptionTables({"pull": {"size": 5}})).size == 5
    assert entry.options is sys.modules.pop("late_options").Late


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("no_such_module_at_all:Options", "No module named 'no_such_module_at_all'"),
        ("pathlib:NoSuchOptions", "'NoSuchOptions'"),
        ("broken_options:Options", "ZeroDivisionError"),
        ("leaving_options:Options", "SystemExit"),
        ("pathlib:PurePosixPath", "options PurePosixPath are not a frozen dataclass"),
        ("decimal:getcontext", "are not a frozen dataclass"),
    ],
)
def test_options_that_cannot_be_imported_or_break_a_rule_are_named(
    target: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_options.py").write_text("1 / 0\n")
    (tmp_path / "leaving_options.py").write_text("raise SystemExit\n")
    registry = Registry("their-otx")
    registry.objective("pull", "a.b:C", "pulls", target)
    registry.objective("push", "a.b:C", "pushes", Options)
    with pytest.raises(PluginError) as caught:
        registry.find("objective", "pull").read_options(OptionTables())
    for part in ("objective 'pull' of their-otx", target, cause):
        assert part in caught.value.message
    assert registry.find("objective", "push").read_options(OptionTables()) == Options()


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


def mixed(prefer: dict[str, str] | None = None) -> Registry:
    task = Registry("beta")
    task.task("sts", "beta.code:Sts", "asks", Options, info=TaskInfo("sts", "1", "probe", (), ""))
    return joined(filled("alpha", "sts"), task, prefer=prefer)


def test_a_name_of_two_kinds_is_a_clash_that_names_both_owners() -> None:
    """Both would own the table [sts]."""
    with pytest.raises(UsageError) as caught:
        mixed().find("task", "sts")
    assert "alpha as an objective and by beta" in caught.value.message
    assert "write beta:sts" in (caught.value.remedy or "")
    assert mixed().find("task", "beta:sts").distribution == "beta"
    assert mixed().find("objective", "alpha:sts").distribution == "alpha"
    assert [[e.distribution for e in owners] for owners in mixed().clashes()] == [["alpha", "beta"]]


def test_a_preference_gives_a_name_to_one_kind() -> None:
    settled = mixed({"sts": "beta"})
    assert settled.find("task", "sts").distribution == "beta" and settled.clashes() == []
    with pytest.raises(UsageError) as caught:
        settled.find("objective", "sts")
    assert "alpha" in caught.value.message and "beta" in caught.value.message
    assert "alpha:sts" in (caught.value.remedy or "")


def test_a_recipe_has_no_table_and_clashes_with_recipes_only() -> None:
    recipe = Registry("beta")
    recipe.recipe("pull", Path("pull.toml"), "settings")
    whole = joined(filled("alpha", "pull"), recipe)
    assert whole.find("objective", "pull") and whole.find("recipe", "pull")
    with pytest.raises(UsageError, match="beta and by gamma"):
        other = Registry("gamma")
        other.recipe("pull", Path("pull.toml"), "settings")
        joined(recipe, other).find("recipe", "pull")


def test_the_hint_at_a_clash_prefers_what_otx_ships() -> None:
    with pytest.raises(UsageError) as caught:
        joined(filled("aaa", "mini"), filled("otx", "mini")).find("objective", "mini")
    assert 'prefer = {mini = "otx"}' in (caught.value.remedy or "")


def test_an_unknown_name_may_be_that_of_a_plugin_that_is_not_loaded() -> None:
    registry = filled("mine", "sinkhorn", "l2")
    registry.add_absent(Absent("vicreg", "otx-vicreg", "disabled", "otx plugins enable vicreg"))
    with pytest.raises(UsageError) as caught:
        registry.find("objective", "vicreg")
    assert "'vicreg' (otx-vicreg) is disabled: otx plugins enable vicreg" in str(caught.value)
    with pytest.raises(UsageError, match=r"vicreg \(disabled\)"):
        registry.find("objective", "moco")


def test_an_entry_knows_the_version_of_its_distribution() -> None:
    registry = Registry("mine", version="1.2")
    registry.objective("pull", "a.b:C", "pulls")
    assert registry.find("objective", "pull").version == "1.2"


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_an_objective_is_not_named_as_a_column_of_the_metrics(name: str) -> None:
    with pytest.raises(PluginError, match=name):
        Registry("mine").objective(name, "a:B", "")
    Registry("mine").encoder(name, "a:B", "")


def test_what_a_listing_could_not_show_is_refused() -> None:
    with pytest.raises(PluginError, match="summary"):
        Registry("mine").objective("pull", "a:B", 3)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="TaskInfo"):
        Registry("mine").task("quiz", "a:B", "", info=None)  # type: ignore[arg-type]
    wrong = TaskInfo("quiz", "1", "probe", (), Path("CC0"))  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="licence"):
        Registry("mine").task("quiz", "a:B", "", info=wrong)
    with pytest.raises(PluginError, match="Path"):
        Registry("mine").recipe("quiz", "quiz.toml", "")  # type: ignore[arg-type]


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
    with pytest.raises(PluginError, match=r"options of objective 'pull': .* is not a target"):
        Registry("otx").objective("pull", "a:B", "", target)


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
