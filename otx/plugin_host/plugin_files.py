"""Plugins that are one file, given by ``--plugin FILE.py``: no package, no installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import util
from importlib.machinery import ModuleSpec, SourceFileLoader
from keyword import iskeyword
from pathlib import Path
from types import CodeType, ModuleType

from otx.errors import PluginError, UsageError
from otx.files.digests import file_digest
from otx.files.reading import read_bytes
from otx.plugin_host.variables import FILES

MAX_BYTES = 2**24
"""Maximum size of a plugin file: 16 MiB."""


class _Loader(SourceFileLoader):
    """Compiles the file each time, so that there is no ``__pycache__`` beside it and no stale code from one."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(read_bytes(Path(self.path), MAX_BYTES), self.path)
        return code


def set_plugin_files(paths: Sequence[str]) -> None:
    """Set the plugin files of this process and of the processes that it starts.

    Args:
        paths: The files, as given by ``--plugin``.

    Raises:
        UsageError: For a path that is not a Python file, or that contains the separator of PATH.
    """
    for path in paths:
        if not path.endswith(".py") or not Path(path).is_file():
            raise UsageError(f"--plugin {path}: no such Python file", "give the path of a .py file")
        if os.pathsep in path:
            raise UsageError(f"--plugin {path}: the path contains '{os.pathsep}'", "rename it")
    os.environ[FILES] = os.pathsep.join(paths)


def plugin_files() -> list[str]:
    """Return the plugin files of this process, as given, each once."""
    paths = [path for path in os.environ.get(FILES, "").split(os.pathsep) if path]
    return list({Path(path).resolve(): path for path in reversed(paths)}.values())[::-1]


def file_version(path: str) -> str:
    """Return the version of a plugin file: the beginning of its digest.

    Args:
        path: The file.
    """
    return file_digest(Path(path))[:12]


def load_file(path: str) -> ModuleType:
    """Import a plugin file as a module of its name, so that ``FILE:Name`` is a target.

    Args:
        path: The file.

    Returns:
        The module, also in ``sys.modules``.

    Raises:
        PluginError: If the name cannot be that of a module, or another module or plugin file has it.
    """
    name = Path(path).stem
    if not name.isidentifier() or iskeyword(name):
        raise PluginError(f"{path}: '{name}' cannot be a module's name", "rename the file")
    if sum(Path(other).stem == name for other in plugin_files()) > 1:
        raise PluginError(f"{path}: another plugin file is named '{name}.py'", "rename one")
    taken = _taken_by(name)
    if taken is not None and Path(taken).resolve() != Path(path).resolve():
        raise PluginError(f"{path}: a module named '{name}' exists ({taken})", "rename the file")
    spec = util.spec_from_file_location(name, path, loader=_Loader(name, str(Path(path).resolve())))
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _taken_by(name: str) -> str | None:
    """Return the origin of the module of this name; None if there is none, or one of an earlier plugin file."""
    module = sys.modules.get(name)
    if module is not None:
        if isinstance(getattr(module, "__loader__", None), _Loader):
            return None
        return str(getattr(module, "__file__", None) or "built in")
    spec: ModuleSpec | None = util.find_spec(name)
    return None if spec is None else str(spec.origin)
