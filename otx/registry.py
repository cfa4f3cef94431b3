"""Names and what they stand for: where the code lies, one line about it, its options. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from otx.attribution import Owner, make
from otx.errors import OTXError, PluginError, UsageError
from otx.suggest import remedy
from otx.types import TaskInfo

API = 1
"""The plugin contract's level; it grows whenever a plugin can ask for something new."""

Kind = Literal["objective", "encoder", "corpus", "task", "recipe"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PLURALS: Mapping[Kind, str] = MappingProxyType(
    {kind: "corpora" if kind == "corpus" else f"{kind}s" for kind in KINDS}
)
RESERVED = frozenset({"align", "eval", "compare", "plugins", "runs"})
"""The tables of otx.toml that are ours; every other table belongs to the name it bears."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name.

    ``target`` is "package.module:Name" (empty for a recipe, which has ``path``); ``options`` a frozen dataclass that is
    light to import; ``distribution`` the installed package that brought it; ``info`` what a task is.
    """

    kind: Kind
    name: str
    target: str
    summary: str
    options: type[Any] | None = None
    distribution: str = ""
    info: TaskInfo | None = None
    path: Path | None = None

    def load(self) -> Any:
        """Import the target. Raises PluginError naming the plugin, the target and the cause."""
        module, _, attribute = self.target.partition(":")
        try:
            from importlib import import_module

            return getattr(import_module(module), attribute)
        except OTXError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.kind} '{self.name}' of {self.distribution} cannot be loaded from {self.target}: "
                f"{type(error).__name__}: {error}",
                "see otx doctor, or ask the plugin's author",
            ) from error

    @property
    def owner(self) -> Owner:
        """Who answers for what the target gives."""
        return Owner(self.kind, self.name, self.distribution, self.target)

    def make(self, *arguments: Any) -> Any:
        """Call the target with what its kind takes (see the methods of ``Registry``).

        Raises PluginError naming the plugin if the target cannot be imported or fails; so does every method of the
        contract of what it gives.
        """
        return make(self.owner, self.load(), *arguments)


class Registry:
    """What plugins bring. ``distribution`` is who registers; ``prefer`` maps a contested name to a distribution."""

    def __init__(self, distribution: str = "", prefer: Mapping[str, str] | None = None) -> None:
        self.distribution = distribution
        self.prefer = dict(prefer or {})
        self._entries: list[Entry] = []

    def objective(
        self, name: str, target: str, summary: str, options: type[Any] | None = None
    ) -> None:
        """An objective: ``Target(options, dimension)`` is an ``otx.types.Objective``."""
        self._add("objective", name, target, summary, options)

    def encoder(
        self, name: str, target: str, summary: str, options: type[Any] | None = None
    ) -> None:
        """An encoder: ``Target(reference, options)`` is an ``otx.types.Encoder``."""
        self._add("encoder", name, target, summary, options)

    def corpus(
        self, name: str, target: str, summary: str, options: type[Any] | None = None
    ) -> None:
        """A corpus: ``target(spec, options, pivot)`` gives a list of ``otx.types.Corpus``, one a language pair."""
        self._add("corpus", name, target, summary, options)

    def task(
        self,
        name: str,
        target: str,
        summary: str,
        options: type[Any] | None = None,
        *,
        info: TaskInfo,
    ) -> None:
        """A task: ``Target(options)`` is an ``otx.types.ProbeTask`` or ``TransferTask``; ``info`` says what it is."""
        if info.name != name:
            raise PluginError(f"task '{name}': its info is named '{info.name}'", "name both alike")
        self._add("task", name, target, summary, options, info=info)

    def recipe(self, name: str, path: Path, summary: str) -> None:
        """A recipe: settings in a TOML file laid out like otx.toml."""
        self._add("recipe", name, "", summary, path=path)

    def require_api(self, level: int) -> None:
        """Refuse to be registered with an otx whose plugin contract is older than ``level``."""
        if level > API:
            raise PluginError(
                f"it needs plugin API {level}, and this otx has {API}",
                "update otx, or install an older release of the plugin",
            )

    def extend(self, other: Registry) -> None:
        """Take over everything that ``other`` holds."""
        self._entries += other._entries

    def entries(self, kind: Kind) -> list[Entry]:
        """Everything of a kind, by name."""
        found = (entry for entry in self._entries if entry.kind == kind)
        return sorted(found, key=lambda entry: (entry.name, entry.distribution))

    def names(self) -> set[str]:
        """Every name that owns a table of options."""
        return {entry.name for entry in self._entries if entry.kind != "recipe"}

    def find(self, kind: Kind, name: str) -> Entry:
        """The entry ``name`` stands for; ``distribution:name`` settles a clash, and so does ``plugins.prefer``.

        Raises UsageError for an unknown name, with the nearest known one, and for a name that two distributions bring.
        """
        owner, _, bare = name.rpartition(":")
        owner = owner or self.prefer.get(bare, "")
        known = self.entries(kind)
        found = [entry for entry in known if entry.name == bare]
        if owner:
            found = [entry for entry in found if canonical(entry.distribution) == canonical(owner)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(
                f"unknown {kind} '{name}'",
                f"{remedy(bare, {entry.name for entry in known})} (otx list {PLURALS[kind]})",
            )
        owners = [entry.distribution for entry in found]
        raise UsageError(
            f"{kind} '{bare}' is brought by {' and by '.join(owners)}",
            f"write {' or '.join(f'{one}:{bare}' for one in owners)}, "
            f'or settle it in otx.toml: [plugins] prefer = {{{bare} = "{owners[0]}"}}',
        )

    def _add(
        self,
        kind: Kind,
        name: str,
        target: str,
        summary: str,
        options: type[Any] | None = None,
        *,
        info: TaskInfo | None = None,
        path: Path | None = None,
    ) -> None:
        self._check_name(kind, name)
        if kind != "recipe" and not _TARGET.fullmatch(target):
            raise PluginError(
                f"{kind} '{name}': '{target}' is no target", "write package.module:Name"
            )
        if options is not None and not _is_frozen(options):
            raise PluginError(f"{kind} '{name}': its options are not a frozen dataclass")
        entry = Entry(kind, name, target, summary, options, self.distribution, info, path)
        self._entries.append(entry)

    def _check_name(self, kind: Kind, name: str) -> None:
        if not _NAME.fullmatch(name) or name in RESERVED:
            raise PluginError(
                f"'{name}' cannot be the name of {'an' if kind[0] in 'eo' else 'a'} {kind}",
                "use lower-case letters, digits, - and _; "
                f"{', '.join(sorted(RESERVED))} are taken by otx.toml",
            )
        shared = kind == "recipe"
        for entry in self._entries:
            if entry.name == name and (entry.kind == "recipe") == shared:
                raise PluginError(f"it registers '{name}' twice: {entry.kind} and {kind}")


def canonical(distribution: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _is_frozen(options: type[Any]) -> bool:
    parameters = getattr(options, "__dataclass_params__", None)
    return dataclasses.is_dataclass(options) and bool(parameters and parameters.frozen)
