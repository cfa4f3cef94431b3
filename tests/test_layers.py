"""Check that imports go from higher layers to lower ones. Imports for type checking do not count."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGINS = ("otx_transport", "otx_baselines", "otx_encoders", "otx_corpora", "otx_tasks")

# A package imports packages of lower levels and of its own layer, by name; never another layer of its level.
LAYERS: dict[str, tuple[float, str]] = {
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
    "__main__": (11, "main"),
}


def modules(root: Path) -> dict[str, Path]:
    """Return the path of every module of ours by its import name."""
    paths = {}
    for base, packages in ((root, ("otx",)), (root / "plugins", PLUGINS)):
        for package in packages:
            for path in sorted((base / package).rglob("*.py")):
                parts = path.relative_to(base).with_suffix("").parts
                paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


def imports(name: str, path: Path) -> Iterator[str]:
    """Yield what a module imports, at its top or within functions, but not for type checking."""
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
    """Return our modules that each of our modules imports."""
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


def layer_key(name: str) -> str:
    """Return the key in ``LAYERS`` of a module of otx: its package or top module."""
    return name.split(".")[1] if "." in name else "otx"


def complaint(source: str, target: str) -> str | None:
    """Return what is wrong with an import, or None."""
    ours, theirs = source.split(".")[0], target.split(".")[0]
    if ours in PLUGINS:
        if theirs in PLUGINS and theirs != ours:
            return "a plugin imports another"
        if theirs == "otx" and layer_key(target) == "cli":
            return "a plugin imports the command line"
        return None
    if theirs in PLUGINS:
        return "otx imports a plugin"
    (high, source_layer), (low, target_layer) = LAYERS[layer_key(source)], LAYERS[layer_key(target)]
    return (
        None
        if source_layer == target_layer or low < high
        else "the import goes to a higher layer or to another package of the same layer"
    )


def cycle(graph: dict[str, set[str]]) -> list[str] | None:
    """Return the modules of an import cycle, or None."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return None
        for target in sorted(graph[name]):
            if path_of_cycle := walk(target, [*path, name]):
                return path_of_cycle
        done.add(name)
        return None

    return next(
        (path_of_cycle for name in sorted(graph) if (path_of_cycle := walk(name, []))), None
    )


def wrong(graph: dict[str, set[str]]) -> list[str]:
    """Return a line for every import that is not allowed."""
    return [
        f"{source} -> {target}: {why}"
        for source, targets in sorted(graph.items())
        for target in sorted(targets)
        if (why := complaint(source, target))
    ]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Read the imports of every module once."""
    return arrows(modules(ROOT))


def test_no_import_goes_up(graph: dict[str, set[str]]) -> None:
    assert wrong(graph) == []


def test_there_is_no_cycle(graph: dict[str, set[str]]) -> None:
    assert cycle(graph) is None


def test_every_package_has_a_layer() -> None:
    packages = {layer_key(name) for name in modules(ROOT) if name.split(".")[0] == "otx"}
    assert packages <= set(LAYERS)


def test_transport_imports_torch_and_its_compilers_alone() -> None:
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
        "otx.ot.compiled.batch -> numpy",
        "otx.ot.compiled.batch -> numpy.typing.NDArray",
        "otx.ot.compiled.kernel -> numba.njit",
        "otx.ot.compiled.kernel -> numpy",
        "otx.ot.kernels.entries -> triton",
        "otx.ot.kernels.entries -> triton.language",
        "otx.ot.kernels.scaling -> triton",
        "otx.ot.kernels.scaling -> triton.language",
        "otx.ot.solvers.exact -> numpy",
        "otx.ot.solvers.exact -> ot",
        "otx.ot.solvers.solve -> numpy",
    ]


def test_nobody_imports_plugins_by_their_folder() -> None:
    for name, path in modules(ROOT).items():
        assert not any(target.split(".")[0] == "plugins" for target in imports(name, path))


@pytest.fixture
def wrong_tree(tmp_path: Path) -> Path:
    """Write a small tree that breaks every rule."""
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


def test_the_check_sees_what_is_wrong(wrong_tree: Path) -> None:
    refused = [line.split(":")[0] for line in wrong(arrows(modules(wrong_tree)))]
    assert refused == [
        "otx.cli -> otx_tasks",
        "otx.data.words -> otx.ot.costs",
        "otx.errors -> otx.cli",
        "otx_tasks -> otx.cli",
        "otx_tasks -> otx_corpora.files",
    ]


def test_the_check_sees_a_cycle(wrong_tree: Path) -> None:
    graph = arrows(modules(wrong_tree))
    assert set(cycle(graph) or []) == {"otx.cli", "otx.errors"}
    (wrong_tree / "otx/errors.py").write_text("")
    (wrong_tree / "plugins/otx_tasks/__init__.py").write_text("")
    assert set(cycle(arrows(modules(wrong_tree))) or []) == {"otx.ot.costs", "otx.ot.masses"}
