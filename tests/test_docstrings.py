"""Every public name of otx and its plugins is documented, and every parameter is described.

Reads the source and imports nothing. Left out are: names that begin with an underscore, and what a private class or a
function contains; overrides of a method that a base class of ours documents; implementations of hooks; commands of the
command line, whose parameters carry their help themselves; properties; and methods that Python itself defines.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECTIONS = "Args|Returns|Yields|Raises|Attributes|Example|Examples|References|Note|Warning"
PARAMETER = re.compile(r"^ {4}(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*)(?: \([^)]*\))?:", re.MULTILINE)
HOOKS = ("hookimpl", "hookspec")
COMMANDS = ("otx.cli",)
FLAGS = set(
    re.findall(r"^([A-Z]\w+) = Annotated", (ROOT / "otx/cli/flags.py").read_text(), re.MULTILINE)
)
"""Annotations of parameters that several commands share: they carry their help themselves."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Definition:
    """A public class, function or method.

    Attributes:
        module: Name of its module.
        name: Name within the module.
        node: Its syntax tree.
        bases: Names of the bases of its class; empty for what is no method.
    """

    module: str
    name: str
    node: ast.ClassDef | Function
    bases: tuple[str, ...] = ()

    @property
    def document(self) -> str:
        """Return the docstring, without indentation."""
        return ast.get_docstring(self.node) or ""

    def decorators(self) -> set[str]:
        """Return the last name of every decorator."""
        trees = (d.func if isinstance(d, ast.Call) else d for d in self.node.decorator_list)
        return {ast.unparse(tree).rpartition(".")[2] for tree in trees}


@dataclass
class Coverage:
    """What is documented of a module.

    Attributes:
        public: Number of public names.
        missing: Names without a docstring.
        parameters: Number of parameters that need a description.
        undescribed: ``name(parameter)`` of each parameter without one.
    """

    public: int = 0
    missing: list[str] = field(default_factory=list)
    parameters: int = 0
    undescribed: list[str] = field(default_factory=list)


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield name and syntax tree of every public module."""
    for base, pattern in ((ROOT, "otx/**/*.py"), (ROOT / "plugins", "*/**/*.py")):
        for path in sorted(base.glob(pattern)):
            parts = path.relative_to(base).with_suffix("").parts
            if any(part.startswith("_") and part != "__init__" for part in parts):
                continue
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def definitions(module: str, tree: ast.Module) -> Iterator[Definition]:
    """Yield the public classes and functions of a module, and the public methods of its classes."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield Definition(module, node.name, node)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield Definition(module, node.name, node)
            bases = tuple(ast.unparse(base).split("[")[0].rpartition(".")[2] for base in node.bases)
            for part in node.body:
                if isinstance(part, Function) and not part.name.startswith("_"):
                    yield Definition(module, f"{node.name}.{part.name}", part, bases)


def parameters(node: Function, *, is_method: bool) -> list[str]:
    """Return the names of a function's parameters, without ``self``, ``cls`` and private ones."""
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args][is_method:]
    more = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    names = [a.arg for a in [*named, *arguments.kwonlyargs, *more]]
    return [name for name in names if not name.startswith("_")]


def described(document: str) -> set[str]:
    """Return the parameters that the section ``Args:`` of a docstring names.

    Example:
        ``Args:`` with the lines ``x: ...`` and ``a, b: ...`` describes x, a and b.
    """
    match = re.search(rf"^Args:\n(.*?)(?=^(?:{SECTIONS}):|\Z)", document, re.DOTALL | re.MULTILINE)
    if match is None:
        return set()
    groups = (found["names"] for found in PARAMETER.finditer(match[1]))
    return {name.strip().lstrip("*") for group in groups for name in group.split(",")}


def is_excepted(one: Definition, documented: set[tuple[str, str]]) -> bool:
    """Return whether a function needs no description of its parameters."""
    if one.decorators() & {*HOOKS, "property", "cached_property", "overload", "override"}:
        return True
    if any(part.startswith("Annotated[") or part in FLAGS for part in annotations(one.node)):
        return one.module.startswith(COMMANDS)
    method = one.name.rpartition(".")[2]
    return any((base, method) in documented for base in one.bases)


def annotations(node: ast.ClassDef | Function) -> list[str]:
    """Return the annotations of a function's parameters as text."""
    if isinstance(node, ast.ClassDef):
        return []
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [ast.unparse(a.annotation) for a in arguments if a.annotation is not None]


def coverage(sources: Iterable[tuple[str, ast.Module]]) -> dict[str, Coverage]:
    """Return what is documented, by module.

    Args:
        sources: Name and syntax tree of every module.
    """
    every = [one for module, tree in sources for one in definitions(module, tree)]
    parents = {
        one.name: tuple(ast.unparse(b).split("[")[0].rpartition(".")[2] for b in one.node.bases)
        for one in every
        if isinstance(one.node, ast.ClassDef)
    }
    documented = {
        (one.name.rpartition(".")[0], one.name.rpartition(".")[2])
        for one in every
        if one.document and "." in one.name
    }
    # A method that a class inherits is documented by every class that inherits from it, too.
    for name in parents:
        for above in ancestors(name, parents):
            documented |= {(name, method) for base, method in documented if base == above}
    modules_covered: dict[str, Coverage] = defaultdict(Coverage)
    for one in every:
        covered = modules_covered[one.module]
        covered.public += 1
        inherits = any((b, one.name.rpartition(".")[2]) in documented for b in one.bases)
        if not one.document and not inherits:
            covered.missing.append(one.name)
        if isinstance(one.node, ast.ClassDef) or is_excepted(one, documented):
            continue
        static = "staticmethod" in one.decorators()
        names = parameters(one.node, is_method="." in one.name and not static)
        covered.parameters += len(names)
        missing = [name for name in names if name not in described(one.document)]
        covered.undescribed += [f"{one.name}({name})" for name in missing]
    return dict(modules_covered)


def ancestors(name: str, parents: dict[str, tuple[str, ...]]) -> set[str]:
    """Return the names of all bases of a class of ours."""
    seen: set[str] = set()
    waiting = list(parents.get(name, ()))
    while waiting:
        base = waiting.pop()
        if base not in seen:
            seen.add(base)
            waiting += parents.get(base, ())
    return seen


def share(whole: int, missing: int) -> str:
    """Return a share as text."""
    return f"{100 * (whole - missing) / max(whole, 1):.1f}% of {whole:,}"


def report(covered: dict[str, Coverage]) -> str:
    """Return the shares, in total and by module, and what is missing."""
    public = sum(one.public for one in covered.values())
    missing = sum(len(one.missing) for one in covered.values())
    needed = sum(one.parameters for one in covered.values())
    undescribed = sum(len(one.undescribed) for one in covered.values())
    lines = [
        f"documented: {share(public, missing)} public names, {share(needed, undescribed)} parameters"
    ]
    for name, one in sorted(covered.items(), key=lambda pair: -len(pair[1].undescribed)):
        if one.missing or one.undescribed:
            lines.append(f"{name}: {share(one.parameters, len(one.undescribed))} parameters")
            lines += [f"    no docstring: {', '.join(one.missing)}"] * bool(one.missing)
            lines += [f"    no Args: {', '.join(one.undescribed)}"] * bool(one.undescribed)
    return "\n".join(lines)


@pytest.fixture(scope="module")
def covered() -> dict[str, Coverage]:
    """Read every module once."""
    return coverage(modules())


def test_every_public_name_has_a_docstring(covered: dict[str, Coverage]) -> None:
    assert not any(one.missing for one in covered.values()), report(covered)


def test_every_parameter_of_a_public_function_is_described(covered: dict[str, Coverage]) -> None:
    assert not any(one.undescribed for one in covered.values()), report(covered)


SAMPLE = '''
class Base:
    """A base."""

    def run(self, x):
        """Run.

        Args:
            x: A number.
        """


class Child(Base):
    """A child."""

    def run(self, x):
        """Run faster."""

    def walk(self, a, b, *, c, **rest):
        """Walk.

        Args:
            a, b: Two numbers: both
                are whole.
            **rest: More.

        Returns:
            c: Nothing of use.
        """

    @property
    def size(self):
        """The size."""


@hookimpl
def otx_register(registry):
    """Register."""


def bare(x):
    pass
'''


def test_the_check_sees_what_is_missing() -> None:
    sample = coverage([("sample", ast.parse(SAMPLE))])
    assert sample["sample"].missing == ["bare"]
    assert sample["sample"].undescribed == ["Child.walk(c)", "bare(x)"]
    assert "sample: 66.7% of 6 parameters" in report(sample)
