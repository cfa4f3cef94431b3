"""Plugins made for plugin API 1 are refused by name, with a pointer to the page on migration."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otx.cli import run
from otx.errors import PluginError
from otx.plugin_host.api_level import API, API_1_NAMES, GUIDE, api_1_reason
from otx.plugin_host.registry import Registry
from otx.plugin_host.variables import FILES

ROOT = Path(__file__).parents[2]

REGISTER = """
from otx import hookimpl

@hookimpl
def otx_register(registry):
    registry.objective("pull", __name__ + ":Pull", "pull translations together")
"""
PULL = """
class Pull(torch.nn.Module):
    {declared}

    def __init__(self, options, dimension):
        super().__init__()

    def forward(self, pair):
        gap = pair.source.sentences() - pair.pivot.sentences()
        return Loss(gap.square().sum(1).mean(){count})
"""
IMPORTS = "import torch\nfrom otx.types import Loss"
"""Of a plugin that runs here."""

AT_REGISTRATION = {
    "contracts": ("from otx.contracts import Objective" + REGISTER, "it imports otx.contracts"),
    "needs": ("from otx.types import Loss, Needs" + REGISTER, "it imports otx.types.Needs"),
    "engine": ("import otx.engine.fit" + REGISTER, "it imports otx.engine"),
    "solver": ("from otx.ot.clouds import between" + REGISTER, "it imports otx.ot.clouds"),
    "level": (REGISTER + "    registry.require_api(1)\n", "it calls require_api(1)"),
    "attribute": (
        "import otx.types\n\nVIEWS = otx.types.Needs(layers=(-1,))" + REGISTER,
        "it imports otx.types.Needs",
    ),
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FILES, "")
    yield
    for name in ("old", "old_targets"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", AT_REGISTRATION)
def test_it_is_refused_when_it_registers(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    text, reason = AT_REGISTRATION[kind]
    Path("old.py").write_text(text)
    assert run(["list", "objectives", "--plugin", "old.py"]) == 4
    err = capfd.readouterr().err
    assert "plugin old.py failed: made for plugin API 1, and this otx has plugin API 2" in err
    assert reason in err and GUIDE in err


AT_MAKING = {
    "needs": ("needs, scope = (), 'sentence'", "", IMPORTS, "it declares needs, and no views"),
    "scope": (
        "views, scope = (), 'sentence'",
        "",
        IMPORTS,
        "its scope is 'sentence', which plugin API 2 calls 'mean'",
    ),
    "import": ("needs = ()", "", "from otx.types import Needs\n" + IMPORTS, "otx.types.Needs"),
}


@pytest.mark.parametrize("kind", AT_MAKING)
def test_it_is_refused_when_it_is_made(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Its targets are in another module than its registration, as in a package."""
    declared, count, imports, reason = AT_MAKING[kind]
    Path("old_targets.py").write_text(imports + PULL.format(declared=declared, count=count))
    Path("old.py").write_text(REGISTER.replace('__name__ + ":Pull"', '"old_targets:Pull"'))
    sys.path.insert(0, str(Path.cwd()))
    try:
        assert run(["list", "objectives", "--plugin", "old.py"]) == 0
        capfd.readouterr()
        assert run(["plugins", "check", "pull", "--plugin", "old.py"]) == 4
    finally:
        sys.path.pop(0)
    captured = capfd.readouterr()
    assert "objective 'pull' of old.py" in captured.out
    assert reason in captured.out + captured.err and GUIDE in captured.out + captured.err


def test_the_migrated_one_passes(capfd: pytest.CaptureFixture[str]) -> None:
    migrated = PULL.format(
        declared="views, scope = {States(layer=-1)}, 'mean'", count=", count=len(pair)"
    )
    imports = IMPORTS + "\nfrom otx.views import States\n"
    Path("old.py").write_text(imports + migrated + REGISTER + "    registry.require_api(2)\n")
    assert run(["plugins", "check", "pull", "--plugin", "old.py"]) == 0
    assert "FAIL" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'numpyy'", name="numpyy"),
        ModuleNotFoundError("No module named 'otx.future'", name="otx.future"),
        ImportError("cannot import name 'Novel' from 'otx.types' (types.py)"),
        AttributeError("'Pull' object has no attribute 'needs'"),
        ValueError("otx.contracts"),
    ],
)
def test_other_failures_are_not_taken_for_an_old_plugin(error: BaseException) -> None:
    assert api_1_reason(error) is None


def test_the_names_of_api_1_are_gone_and_their_successors_are_here() -> None:
    """A name that comes back would be refused for nothing."""
    import importlib

    for old, new in API_1_NAMES.items():
        module, _, name = old.rpartition(".")
        parent = importlib.import_module(module) if module.count(".") else None
        is_attribute = parent is not None and not hasattr(parent, "__path__")
        if is_attribute:
            assert not hasattr(parent, name), old
        else:
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(old)
        for successor in new.replace(" and ", ", ").split(", "):
            owner, _, last = successor.rpartition(".")
            try:
                importlib.import_module(successor)
            except ModuleNotFoundError:
                assert hasattr(importlib.import_module(owner), last), successor


def test_the_level_must_be_this_one() -> None:
    Registry("mine").require_api(API)
    with pytest.raises(PluginError, match=r"it calls require_api\(1\)") as caught:
        Registry("mine").require_api(1)
    assert caught.value.exit_code == 4


def test_the_page_on_migration_names_every_name_that_moved() -> None:
    page = (ROOT / GUIDE).read_text(encoding="utf-8")
    for old in API_1_NAMES:
        assert f"`{old}`" in page, old
