"""Who may import whom: docs of the house, section of that name. Imports for type checking do not count."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGINS = ("otx_transport", "otx_baselines", "otx_encoders", "otx_corpora", "otx_tasks")

# Floors of the house; a room imports its own modules and rooms on lower floors. Rooms side by side do not meet.
FLOORS: dict[str, tuple[float, str]] = {
    "otx": (0, "types"),
    "errors": (0, "types"),
    "types": (0, "types"),
    "tensor_tree": (0, "types"),
    "did_you_mean": (0, "types"),
    "hookspecs": (0, "types"),
    "printable": (0, "types"),
    "reporter": (0, "types"),
    "files": (1, "files"),
    "config": (2, "config"),
    # Base classes of tasks read the roles of options.
    "interfaces": (2.5, "interfaces"),
    "plugin_host": (3, "plugin_host"),
    "ot": (4, "ot"),
    "data": (4, "data"),
    "links": (5, "links"),
    "runs": (6, "runs"),
    "views": (6, "views"),
    "training": (7, "training"),
    "alignment": (8, "alignment"),
    "evaluation": (9, "evaluation"),
    "testing": (9, "testing"),
    "api": (9.5, "api"),
    "cli": (10, "cli"),
    "__main__": (11, "door"),
}


def modules(root: Path) -> dict[str, Path]:
    """Every module of ours by import name."""
    found = {}
    for base, packages in ((root, ("otx",)), (root / "plugins", PLUGINS)):
        for package in packages:
            for path in sorted((base / package).rglob("*.py")):
                parts = path.relative_to(base).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path) -> Iterator[str]:
    """What a module imports, wherever it does so, but for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            # "from package import module" imports the module; of a name, the package.
            yield from (f"{source}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def arrows(known: dict[str, Path]) -> dict[str, set[str]]:
    """Our modules that each of our modules imports."""
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        graph[name] = set()
        for target in imports(name, path):
            longest = next(
                (one for one in (target, target.rpartition(".")[0]) if one in known), None
            )
            if longest is not None and longest != name:
                graph[name].add(longest)
    return graph


def room(name: str) -> str:
    """The room of a module of otx."""
    return name.split(".")[1] if "." in name else "otx"


def complaint(source: str, target: str) -> str | None:
    """What is wrong with an arrow, or None."""
    ours, theirs = source.split(".")[0], target.split(".")[0]
    if ours in PLUGINS:
        if theirs in PLUGINS and theirs != ours:
            return "a plugin imports another"
        if theirs == "otx" and room(target) == "cli":
            return "a plugin imports the command line"
        return None
    if theirs in PLUGINS:
        return "otx imports a plugin"
    (high, own), (low, other) = FLOORS[room(source)], FLOORS[room(target)]
    return None if own == other or low < high else "the arrow points upwards or sideways"


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """The modules of a circle, if there is one."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return None
        for target in sorted(graph[name]):
            if found := walk(target, [*path, name]):
                return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := walk(name, []))), None)


def wrong(graph: dict[str, set[str]]) -> list[str]:
    """Every arrow that is not allowed."""
    return [
        f"{source} -> {target}: {why}"
        for source, targets in sorted(graph.items())
        for target in sorted(targets)
        if (why := complaint(source, target))
    ]


def test_no_arrow_points_the_wrong_way() -> None:
    assert wrong(arrows(modules(ROOT))) == []


def test_there_is_no_circle() -> None:
    assert circle(arrows(modules(ROOT))) is None


def test_every_room_has_a_floor() -> None:
    rooms = {room(name) for name in modules(ROOT) if name.split(".")[0] == "otx"}
    assert rooms <= set(FLOORS)


def test_transport_stands_on_torch_alone() -> None:
    allowed = {"torch", "otx", *sys.stdlib_module_names}
    foreign = [
        f"{name} -> {target}"
        for name, path in modules(ROOT).items()
        if name.startswith("otx.ot")
        for target in imports(name, path)
        if target.split(".")[0] not in allowed
    ]
    # The exact solver is POT's, and is not for training; kernels are imported where they can run.
    assert sorted(foreign) == [
        "otx.ot.kernels.entries -> triton",
        "otx.ot.kernels.entries -> triton.language",
        "otx.ot.kernels.scaling -> triton",
        "otx.ot.kernels.scaling -> triton.language",
        "otx.ot.solvers.exact -> numpy",
        "otx.ot.solvers.exact -> ot",
    ]


def test_nobody_imports_plugins_by_their_folder() -> None:
    for name, path in modules(ROOT).items():
        assert not any(target.split(".")[0] == "plugins" for target in imports(name, path))


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house in which everything is wrong that can be."""
    files = {
        "otx/__init__.py": "",
        "otx/errors.py": "def late():\n    from otx.cli import main\n",
        "otx/data/__init__.py": "",
        "otx/data/words.py": "from otx.ot import costs\n",
        "otx/ot/__init__.py": "",
        "otx/ot/costs.py": "from . import masses\n",
        "otx/ot/masses.py": "from .costs import cosine\n",
        "otx/cli/__init__.py": "import otx_tasks\nfrom otx import errors\n",
        "otx/plugin_host/__init__.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from otx.training import fit\n"
        ),
        "otx/training/__init__.py": "import otx.plugin_host\n",
        "plugins/otx_tasks/__init__.py": "import otx_corpora.files\nfrom otx.cli import main\n",
        "plugins/otx_corpora/__init__.py": "",
        "plugins/otx_corpora/files.py": "from otx.errors import OTXError\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_the_check_sees_what_is_wrong(house: Path) -> None:
    found = [line.split(":")[0] for line in wrong(arrows(modules(house)))]
    assert found == [
        "otx.cli -> otx_tasks",
        "otx.data.words -> otx.ot.costs",
        "otx.errors -> otx.cli",
        "otx_tasks -> otx.cli",
        "otx_tasks -> otx_corpora.files",
    ]


def test_the_check_sees_a_circle(house: Path) -> None:
    graph = arrows(modules(house))
    assert set(circle(graph) or []) == {"otx.cli", "otx.errors"}
    (house / "otx/errors.py").write_text("")
    (house / "plugins/otx_tasks/__init__.py").write_text("")
    assert set(circle(arrows(modules(house))) or []) == {"otx.ot.costs", "otx.ot.masses"}
