"""Names and what they stand for: where the code lies, one line about it, its options. Imports nothing heavy."""

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
from otx.plugin_host.api import API, REMEDY, api_1_reason, outdated
from otx.plugin_host.attribution import OURS, Owner, attributed, make
from otx.plugin_host.option_checks import check_options
from otx.types import Metric, TaskInfo

Kind = Literal["objective", "encoder", "corpus", "task", "recipe"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PLURALS: Mapping[Kind, str] = MappingProxyType(
    {kind: "corpora" if kind == "corpus" else f"{kind}s" for kind in KINDS}
)

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name.

    ``target`` is "package.module:Name" (empty for a recipe, which has ``path``); ``options`` a frozen dataclass that is
    light to import; ``distribution`` the installed package that brought it, or the path of a plugin file, with its
    ``version``; ``info`` what a task is.
    """

    kind: Kind
    name: str
    target: str
    summary: str
    options: type[Any] | None = None
    distribution: str = ""
    info: TaskInfo | None = None
    path: Path | None = None
    version: str = ""

    def load(self) -> Any:
        """Import the target. Raises PluginError naming the plugin, the target and the cause."""
        module, _, attribute = self.target.partition(":")
        try:
            from importlib import import_module

            return getattr(import_module(module), attribute)
        except OTXError:
            raise
        except (Exception, SystemExit) as error:
            if reason := api_1_reason(error):
                raise self.owner.fault(outdated(reason), REMEDY) from error
            raise PluginError(
                f"{self.kind} '{self.name}' of {self.distribution} cannot be loaded from {self.target}: "
                f"{type(error).__name__}: {error}",
                "see otx doctor, or ask the plugin's author",
            ) from error

    @property
    def owner(self) -> Owner:
        """Who answers for what the target gives."""
        return Owner(self.kind, self.name, self.distribution, self.target)

    @property
    def full_name(self) -> str:
        """``distribution:name``, which settles a clash."""
        return f"{self.distribution}:{self.name}"

    def read_options(self, options: OptionSource) -> Any:
        """Return the entry's options from the table of its name, or None if it has no options.

        Args:
            options: The option tables, or the settings that hold them.

        Raises:
            UsageError: For an unknown key (with the nearest known one) and for a value of a wrong type.
        """
        with attributed(self.owner):
            return options.read_options(self.name, self.options)

    def make(self, *arguments: Any) -> Any:
        """Call the target with what its kind takes (see the methods of ``Registry``).

        Raises PluginError naming the plugin if the target cannot be imported or fails; so does every method of the
        contract of what it gives.
        """
        return make(self.owner, self.load(), *arguments)


class Registry:
    """Registered objectives, encoders, corpora, tasks and recipes.

    A name is one thing: objectives, encoders, corpora and tasks share one space of names, as each owns the settings
    table of its name. ``distribution`` (of this ``version``) is who registers; ``prefer`` maps a contested name to a
    distribution.
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
        self, name: str, target: str, summary: str, options: type[Any] | None = None
    ) -> None:
        """An objective: ``Target(options, dimension)`` is an ``otx.types.Objective``."""
        self._add("objective", name, target, summary, options=options)

    def encoder(
        self, name: str, target: str, summary: str, options: type[Any] | None = None
    ) -> None:
        """An encoder: ``Target(reference, options)`` is an ``otx.types.Encoder``."""
        self._add("encoder", name, target, summary, options=options)

    def corpus(
        self, name: str, target: str, summary: str, options: type[Any] | None = None
    ) -> None:
        """A corpus: ``target(spec, options, pivot)`` gives a list of ``otx.types.Corpus``, one a language pair."""
        self._add("corpus", name, target, summary, options=options)

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
        _check_info(name, info)
        if info.name != name:
            raise PluginError(f"task '{name}': its info is named '{info.name}'", "name both alike")
        self._add("task", name, target, summary, options=options, info=info)

    def recipe(self, name: str, path: Path, summary: str) -> None:
        """A recipe: settings in a TOML file laid out like otx.toml."""
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
        """Add an entry that was made by hand, such as one for an objective instance."""
        self._check_name(entry.kind, entry.name)
        self._entries.append(entry)

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

    def add_absent(self, plugin: Absent) -> None:
        """Name a plugin that is not loaded: an unknown name may be one that it brings."""
        self._absent.append(plugin)

    def absence_hint(self, name: str) -> str | None:
        """Say which plugins that are not loaded may bring an unknown name; None if all are loaded."""
        return absence_hint(name, self._absent)

    def owners(self, name: str) -> list[Entry]:
        """Return every entry that owns the settings table ``name``, of whatever kind; otx's own first."""
        owning = (entry for entry in self._entries if entry.kind != "recipe")
        return _own_first(entry for entry in owning if entry.name == name)

    def clashes(self) -> list[list[Entry]]:
        """Return the owners of every name that several distributions bring and no preference settles."""
        contested = (self.owners(name) for name in sorted(self.names() - set(self.prefer)))
        return [owners for owners in contested if len(owners) > 1]

    def find(self, kind: Kind, name: str) -> Entry:
        """The entry ``name`` stands for; ``distribution:name`` settles a clash, and so does ``plugins.prefer``.

        Raises UsageError for an unknown name, with the nearest known one, and for a name that two distributions bring,
        of whatever kind.
        """
        owner, _, bare = name.rpartition(":")
        chosen = owner or self.prefer.get(bare, "")
        found = [entry for entry in self.entries(kind) if entry.name == bare]
        if not found:
            raise self._unknown(kind, name)
        if chosen:
            chosen_ones = [e for e in found if canonical(e.distribution) == canonical(chosen)]
            if not chosen_ones:
                raise self._not_of(kind, bare, chosen, found, by_preference=not owner)
            return chosen_ones[0]
        owners = _own_first(found) if kind == "recipe" else self.owners(bare)
        if len(owners) > 1:
            raise UsageError(clash(kind, owners), clash_remedy(kind, owners))
        return found[0]

    def resolve(self, kind: Kind, text: str, default: str) -> tuple[Entry, str]:
        """Return the entry that ``NAME``, ``NAME:REST`` or ``DIST:NAME:REST`` names, and the rest.

        Args:
            kind: The kind of entry.
            text: What a user wrote.
            default: The name that any other text goes to, whole.

        Raises:
            UsageError: For a name that two distributions bring, and for one that the distribution does not bring.
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
        self, kind: Kind, name: str, chosen: str, found: Sequence[Entry], *, by_preference: bool
    ) -> UsageError:
        """Of a name that exists, but not from the distribution that was asked for."""
        why = f"[plugins] prefer gives it to {chosen}" if by_preference else f"not by {chosen}"
        owners = " and by ".join(entry.distribution for entry in _own_first(found))
        advice = f"write {_full_names(found)}"
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
        options: type[Any] | None = None,
        info: TaskInfo | None = None,
        path: Path | None = None,
    ) -> None:
        self._check_name(kind, name)
        if kind != "recipe" and not _TARGET.fullmatch(target):
            raise PluginError(
                f"{kind} '{name}': '{target}' is no target", "write package.module:Name"
            )
        if not isinstance(summary, str):
            raise PluginError(f"{kind} '{name}': its summary is not text", "write one line")
        if options is not None:
            _check_options(kind, name, options)
        self._entries.append(
            Entry(
                kind=kind,
                name=name,
                target=target,
                summary=summary,
                options=options,
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
    """Say who brings a contested name, with their kinds where these differ from ``kind``."""
    parts = [
        entry.distribution + ("" if entry.kind == kind else f" as {_a(entry.kind)}")
        for entry in owners
    ]
    return f"{kind} '{owners[0].name}' is brought by {' and by '.join(parts)}"


def clash_remedy(kind: Kind, owners: Sequence[Entry]) -> str:
    """Say how to settle a contested name: by a full name of this kind, or by preferring the first of its owners."""
    named = [entry for entry in owners if entry.kind == kind] or owners
    key, value = owners[0].name, json.dumps(owners[0].distribution)
    return (
        f"write {_full_names(named)}, "
        f"or settle it in otx.toml: [plugins] prefer = {{{key} = {value}}}"
    )


def _full_names(entries: Sequence[Entry]) -> str:
    return " or ".join(f"{entry.distribution}:{entry.name}" for entry in entries)


def _own_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sort by distribution, otx's own before all others: what it ships is what most users mean."""
    return sorted(entries, key=lambda e: (canonical(e.distribution) != OURS, e.distribution))


def _a(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'eo' else 'a'} {kind}"


def _check_info(name: str, info: TaskInfo) -> None:
    """Refuse what a listing could not show: PluginError naming the field."""
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
