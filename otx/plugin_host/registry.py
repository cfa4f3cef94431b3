"""The registry of names: objectives, encoders, corpora, tasks and recipes, with their targets and options.

A plugin registers its names in the hook ``otx_register``:

    @otx.hookimpl
    def otx_register(registry):
        registry.objective(
            "pull", "my_package.pull:Pull", "Pulls linked words together", "my_package.options:PullOptions"
        )

Targets are ``package.module:Name``. They are imported when a command needs them; this module imports nothing heavy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from otx.config.objective_term import COLUMNS
from otx.config.option_tables import OptionSource
from otx.config.schema import SECTIONS
from otx.did_you_mean import remedy
from otx.errors import OTXError, PluginError, UsageError
from otx.plugin_host.absent import Absent, absence_hint, canonical
from otx.plugin_host.api_level import API, REMEDY, api_1_reason, outdated
from otx.plugin_host.attribution import OURS, Owner, attributed, make
from otx.plugin_host.option_checks import check_options
from otx.types import Metric, TaskInfo

Kind = Literal["objective", "encoder", "corpus", "task", "recipe"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PLURALS: Mapping[Kind, str] = MappingProxyType(
    {kind: "corpora" if kind == "corpus" else f"{kind}s" for kind in KINDS}
)

OptionsClass = type[Any] | str
"""A frozen dataclass with a default for every field, or its target, which a listing does not import."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name.

    Attributes:
        kind: Kind of the object.
        name: The name, in lower case.
        target: Its class or function, ``package.module:Name``; empty for a recipe.
        summary: Description in one line.
        registered_options: Its options class, or the target of that class; None without options.
        distribution: Distribution that registered it, or the path of a plugin file.
        info: Information of a task.
        path: File of a recipe.
        version: Version of the distribution, or the beginning of a plugin file's digest.
    """

    kind: Kind
    name: str
    target: str
    summary: str
    registered_options: OptionsClass | None = None
    distribution: str = ""
    info: TaskInfo | None = None
    path: Path | None = None
    version: str = ""

    def load(self) -> Any:
        """Import the target and return it.

        Raises:
            PluginError: If it cannot be imported, naming the plugin, the target and the cause.
        """
        return self._import(self.target, f"{self.kind} '{self.name}'")

    @property
    def options(self) -> type[Any] | None:
        """The options class, imported if its target was registered; None without options.

        Raises:
            PluginError: If it cannot be imported or breaks a rule, naming the plugin, the class and the cause.
        """
        target = self.registered_options
        if not isinstance(target, str):
            return target
        options: type[Any] = self._import(target, f"the options of {self.kind} '{self.name}'")
        if not _is_ours(self.distribution):
            try:
                check_options(options)
            except PluginError as error:
                raise self.owner.fault(f"{error.message} ({target})", error.remedy) from error
        return options

    def _import(self, target: str, label: str) -> Any:
        module, _, attribute = target.partition(":")
        try:
            from importlib import import_module

            return getattr(import_module(module), attribute)
        except OTXError:
            raise
        except (Exception, SystemExit) as error:
            if reason := api_1_reason(error):
                raise self.owner.fault(outdated(reason), REMEDY) from error
            raise PluginError(
                f"{label} of {self.distribution} cannot be loaded from {target}: "
                f"{type(error).__name__}: {error}",
                "see otx doctor, or ask the plugin's author",
            ) from error

    @property
    def owner(self) -> Owner:
        """The owner of the objects that the target makes, for error messages."""
        return Owner(self.kind, self.name, self.distribution, self.target)

    @property
    def full_name(self) -> str:
        """``distribution:name``, which is unique."""
        return f"{self.distribution}:{self.name}"

    def read_options(self, options: OptionSource) -> Any:
        """Return the entry's options from the table of its name, or None if it has no options.

        Args:
            options: The option tables, or the settings that hold them.

        Raises:
            UsageError: For an unknown key (with the nearest known one) and for a value of a wrong type.
            PluginError: If the class of the options cannot be imported, naming the plugin.
        """
        with attributed(self.owner):
            return options.read_options(self.name, self.options)

    def make(self, *arguments: Any) -> Any:
        """Call the target; later failures of the object that it returns are attributed to the plugin.

        Args:
            arguments: The arguments that targets of this kind take: see the methods of ``Registry``.

        Raises:
            PluginError: If the target cannot be imported or fails, naming the plugin.
        """
        return make(self.owner, self.load(), *arguments)


class Registry:
    """Registered objectives, encoders, corpora, tasks and recipes.

    Objectives, encoders, corpora and tasks share one space of names, because each owns the settings table of its name.

    Args:
        distribution: Distribution that registers, or the path of a plugin file.
        prefer: Distribution to use for a name that several distributions register, by name.
        version: Version of the distribution.
    """

    def __init__(
        self, distribution: str = "", prefer: Mapping[str, str] | None = None, version: str = ""
    ) -> None:
        self.distribution = distribution
        self.version = version
        self.prefer = dict(prefer or {})
        self._entries: list[Entry] = []
        self._absent: list[Absent] = []

    def objective(
        self, name: str, target: str, summary: str, options: OptionsClass | None = None
    ) -> None:
        """Register an objective.

        Args:
            name: Its name; also that of its settings table.
            target: ``Target(options, dimension)`` returns an ``otx.interfaces.Objective``; ``dimension`` is the width
                of the encoder's vectors.
            summary: Description in one line.
            options: A frozen dataclass with a default for every field, or its target.
        """
        self._add("objective", name, target, summary, options=options)

    def encoder(
        self, name: str, target: str, summary: str, options: OptionsClass | None = None
    ) -> None:
        """Register an encoder.

        Args:
            name: Its name; also that of its settings table.
            target: ``Target(reference, options)`` returns an ``otx.interfaces.Encoder``; ``reference`` is REST of
                ``NAME:REST``, or the name.
            summary: Description in one line.
            options: A frozen dataclass with a default for every field, or its target.
        """
        self._add("encoder", name, target, summary, options=options)

    def corpus(
        self, name: str, target: str, summary: str, options: OptionsClass | None = None
    ) -> None:
        """Register a corpus.

        Args:
            name: Its name; also that of its settings table.
            target: ``target(spec, options, pivot)`` returns a list of ``otx.interfaces.Corpus``, one per language pair;
                ``spec`` is REST of ``NAME:REST``.
            summary: Description in one line.
            options: A frozen dataclass with a default for every field, or its target.
        """
        self._add("corpus", name, target, summary, options=options)

    def task(
        self,
        name: str,
        target: str,
        summary: str,
        options: OptionsClass | None = None,
        *,
        info: TaskInfo,
    ) -> None:
        """Register a task.

        Args:
            name: Its name; also that of its settings table.
            target: ``Target(options)`` returns an ``otx.interfaces.ProbeTask`` or ``TransferTask``.
            summary: Description in one line.
            options: A frozen dataclass with a default for every field, or its target.
            info: Its information, for listings; its name must be ``name``.
        """
        _check_info(name, info)
        if info.name != name:
            raise PluginError(
                f"task '{name}': its info is named '{info.name}'", "give both the same name"
            )
        self._add("task", name, target, summary, options=options, info=info)

    def recipe(self, name: str, path: Path, summary: str) -> None:
        """Register a recipe.

        Args:
            name: Its name.
            path: A TOML file of settings, laid out like otx.toml.
            summary: Description in one line.
        """
        if not isinstance(path, Path):
            raise PluginError(f"recipe '{name}': its path is not a pathlib.Path", "write Path(...)")
        self._add("recipe", name, "", summary, path=path)

    def require_api(self, level: int) -> None:
        """Refuse to be registered with an otx of another plugin API.

        Args:
            level: Level of the plugin API that the plugin was made for.

        Raises:
            PluginError: If this otx has another level.
        """
        if level < API:
            raise PluginError(outdated(f"it calls require_api({level})"), REMEDY)
        if level > API:
            raise PluginError(
                f"it needs plugin API {level}, and this otx has {API}",
                "update otx, or install an older release of the plugin",
            )

    def add(self, entry: Entry) -> None:
        """Add an entry that was made by hand, such as one for an objective instance.

        Args:
            entry: The entry.

        Raises:
            PluginError: If its name is not allowed or taken.
        """
        self._check_name(entry.kind, entry.name)
        self._entries.append(entry)

    def extend(self, other: Registry) -> None:
        """Add everything that another registry holds.

        Args:
            other: The other registry.
        """
        self._entries += other._entries

    def entries(self, kind: Kind) -> list[Entry]:
        """Return the entries of a kind, sorted by name.

        Args:
            kind: The kind.
        """
        entries = (entry for entry in self._entries if entry.kind == kind)
        return sorted(entries, key=lambda entry: (entry.name, entry.distribution))

    def names(self) -> set[str]:
        """Return every name that owns a table of options."""
        return {entry.name for entry in self._entries if entry.kind != "recipe"}

    def add_absent(self, plugin: Absent) -> None:
        """Add a plugin that is not loaded: an unknown name may be one that it registers.

        Args:
            plugin: The plugin.
        """
        self._absent.append(plugin)

    def absence_hint(self, name: str) -> str | None:
        """Return a hint to plugins that are not loaded and may register a name; None if all are loaded.

        Args:
            name: The unknown name, or ``distribution:name``.
        """
        return absence_hint(name, self._absent)

    def owners(self, name: str) -> list[Entry]:
        """Return every entry that owns the settings table ``name``, of any kind; otx's own first.

        Args:
            name: Name of the table.
        """
        owning = (entry for entry in self._entries if entry.kind != "recipe")
        return _own_first(entry for entry in owning if entry.name == name)

    def clashes(self) -> list[list[Entry]]:
        """Return the owners of every name that several distributions register and no preference settles."""
        contested = (self.owners(name) for name in sorted(self.names() - set(self.prefer)))
        return [owners for owners in contested if len(owners) > 1]

    def find(self, kind: Kind, name: str) -> Entry:
        """Return the entry of a name.

        Args:
            kind: Kind of the entry.
            name: ``name``, or ``distribution:name`` if several distributions register it; ``plugins.prefer`` also
                settles such a clash.

        Raises:
            UsageError: For an unknown name, with the nearest known one, and for a name that several distributions
                register, of any kind.
        """
        owner, _, bare = name.rpartition(":")
        chosen = owner or self.prefer.get(bare, "")
        matches = [entry for entry in self.entries(kind) if entry.name == bare]
        if not matches:
            raise self._unknown(kind, name)
        if chosen:
            chosen_ones = [e for e in matches if canonical(e.distribution) == canonical(chosen)]
            if not chosen_ones:
                raise self._not_of(kind, chosen, matches, by_preference=not owner)
            return chosen_ones[0]
        owners = _own_first(matches) if kind == "recipe" else self.owners(bare)
        if len(owners) > 1:
            raise UsageError(clash(kind, owners), clash_remedy(kind, owners))
        return matches[0]

    def resolve(self, kind: Kind, text: str, default: str) -> tuple[Entry, str]:
        """Return the entry that ``NAME``, ``NAME:REST`` or ``DIST:NAME:REST`` names, and REST.

        Args:
            kind: Kind of the entry.
            text: The text that a user wrote.
            default: Name of the entry that any other text belongs to; REST is then the whole text.

        Raises:
            UsageError: For a name that several distributions register, and for one that the distribution does not.
        """
        names = {entry.name for entry in self.entries(kind)}
        first, _, after_first = text.partition(":")
        second, _, after_second = after_first.partition(":")
        if first in names:
            return self.find(kind, first), after_first
        if second in names:
            return self.find(kind, f"{first}:{second}"), after_second
        return self.find(kind, default), text

    def _unknown(self, kind: Kind, name: str) -> UsageError:
        known = {entry.name for entry in self.entries(kind)}
        advice = f"{remedy(name.rpartition(':')[2], known)} (otx list {PLURALS[kind]})"
        hint = self.absence_hint(name)
        return UsageError(f"unknown {kind} '{name}'", f"{hint}; {advice}" if hint else advice)

    def _not_of(
        self, kind: Kind, chosen: str, matches: Sequence[Entry], *, by_preference: bool
    ) -> UsageError:
        """Return the error for a name that exists, but not in the chosen distribution."""
        name = matches[0].name
        why = f"[plugins] prefer gives it to {chosen}" if by_preference else f"not by {chosen}"
        owners = " and by ".join(entry.distribution for entry in _own_first(matches))
        advice = f"write {_full_names(matches)}"
        if by_preference:
            advice += ", or change [plugins] prefer"
        hint = self.absence_hint(f"{chosen}:{name}")
        return UsageError(
            f"{kind} '{name}' is brought by {owners}, but {why}",
            f"{hint}; {advice}" if hint else advice,
        )

    def _add(
        self,
        kind: Kind,
        name: str,
        target: str,
        summary: str,
        *,
        options: OptionsClass | None = None,
        info: TaskInfo | None = None,
        path: Path | None = None,
    ) -> None:
        self._check_name(kind, name)
        if kind != "recipe":
            _check_target(f"{kind} '{name}'", target)
        if not isinstance(summary, str):
            raise PluginError(f"{kind} '{name}': its summary is not text", "write one line")
        if isinstance(options, str):
            _check_target(f"options of {kind} '{name}'", options)
        elif options is not None and not _is_ours(self.distribution):
            _check_options(kind, name, options)
        self._entries.append(
            Entry(
                kind=kind,
                name=name,
                target=target,
                summary=summary,
                registered_options=options,
                distribution=self.distribution,
                info=info,
                path=path,
                version=self.version,
            )
        )

    def _check_name(self, kind: Kind, name: str) -> None:
        if not _NAME.fullmatch(name) or name in SECTIONS:
            raise PluginError(
                f"'{name}' cannot be the name of {_a(kind)}",
                "use lower-case letters, digits, - and _; "
                f"{', '.join(sorted(SECTIONS))} are taken by otx.toml",
            )
        if kind == "objective" and name in COLUMNS:
            raise PluginError(
                f"'{name}' cannot be the name of an objective",
                f"metrics.jsonl has columns {', '.join(sorted(COLUMNS))} of its own",
            )
        shared = kind == "recipe"
        for entry in self._entries:
            if entry.name == name and (entry.kind == "recipe") == shared:
                raise PluginError(f"it registers '{name}' twice: {entry.kind} and {kind}")


def clash(kind: Kind, owners: Sequence[Entry]) -> str:
    """Return a message that names the owners of a contested name, with their kinds if these differ from ``kind``.

    Args:
        kind: Kind of the entry that was looked up.
        owners: The entries of the name.
    """
    parts = [
        entry.distribution + ("" if entry.kind == kind else f" as {_a(entry.kind)}")
        for entry in owners
    ]
    return f"{kind} '{owners[0].name}' is brought by {' and by '.join(parts)}"


def clash_remedy(kind: Kind, owners: Sequence[Entry]) -> str:
    """Return how to settle a contested name: by a full name, or by preferring the first of its owners.

    Args:
        kind: Kind of the entry that was looked up.
        owners: The entries of the name.
    """
    named = [entry for entry in owners if entry.kind == kind] or owners
    key, value = owners[0].name, json.dumps(owners[0].distribution)
    return (
        f"write {_full_names(named)}, "
        f"or settle it in otx.toml: [plugins] prefer = {{{key} = {value}}}"
    )


def _full_names(entries: Sequence[Entry]) -> str:
    return " or ".join(f"{entry.distribution}:{entry.name}" for entry in entries)


def _own_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sort by distribution, otx's own first: what it ships is what most users mean."""
    return sorted(entries, key=lambda e: (not _is_ours(e.distribution), e.distribution))


def _is_ours(distribution: str) -> bool:
    """Return True for otx's own plugins: a test checks their options."""
    return canonical(distribution) == OURS


def _a(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'eo' else 'a'} {kind}"


def _check_target(label: str, target: str) -> None:
    if not _TARGET.fullmatch(target):
        raise PluginError(f"{label}: '{target}' is not a target", "write package.module:Name")


def _check_info(name: str, info: TaskInfo) -> None:
    """Raise PluginError for information that a listing could not show, naming the field."""
    if not isinstance(info, TaskInfo):
        raise PluginError(f"task '{name}': its info is not an otx.types.TaskInfo")
    texts = ("name", "version", "licence", "source_language")
    faults = [field for field in texts if not isinstance(getattr(info, field), str)]
    if not all(isinstance(metric, Metric) for metric in info.metrics):
        faults.append("metrics")
    if not isinstance(info.suites, Mapping):
        faults.append("suites")
    if info.kind not in ("probe", "transfer"):
        faults.append("kind")
    if faults:
        raise PluginError(
            f"task '{name}': its info has another type of {', '.join(faults)} than TaskInfo declares",
            "see otx.types.TaskInfo",
        )


def _check_options(kind: Kind, name: str, options: type[Any]) -> None:
    try:
        check_options(options)
    except PluginError as error:
        raise PluginError(f"{kind} '{name}': {error.message}", error.remedy) from error
