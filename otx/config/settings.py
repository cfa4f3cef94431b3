"""Settings: defaults, then otx.toml, then a recipe, then flags; typed, each value with its origin.

Paths in settings are relative to the working folder, except ``runs.folder`` if otx.toml sets it or nothing does: it is
relative to the folder of otx.toml, so that a project has one folder of runs from wherever in it a command is called.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otx.config.migration import RENAMED, migrate_tables
from otx.config.objective_term import term_text
from otx.config.option_tables import DEFAULT, OptionTables
from otx.config.schema import SECTIONS, RunSettings, Sections
from otx.config.toml_file import find_file, parse_value, read_file
from otx.config.validation import field_types, fill
from otx.did_you_mean import remedy
from otx.errors import UsageError

MIGRATE = "otx config migrate"
"""Command that rewrites an otx.toml with old names of settings."""
ARGUMENT = "argument"
"""Origin of a value that a call from Python gives."""


@dataclass(frozen=True, slots=True)
class Settings(Sections):
    """All settings of one command.

    A component receives the table it owns (``settings.optimizer``), and ``option_tables`` if it opens plugins' objects.

    Attributes:
        options: Tables of objectives, encoders, corpora and tasks, by name.
        given: Origin of each dotted key that was set: ``otx.toml:12``, ``recipe wordot``, ``--lr`` or ``--set``.
        file: The otx.toml that was read; None if there is none.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    @property
    def option_tables(self) -> OptionTables:
        """The options of plugins, with their origins."""
        return OptionTables(self.options, self.given)

    def origin(self, dotted: str) -> str:
        """Return the origin of a dotted key; ``default`` for one that nothing sets.

        Args:
            dotted: The dotted key.
        """
        return self.given.get(dotted, DEFAULT)

    def value(self, dotted: str) -> Any:
        """Return the value of a dotted key that was set.

        Args:
            dotted: The dotted key.
        """
        section, _, key = dotted.partition(".")
        if section in SECTIONS:
            return getattr(getattr(self, section), key)
        return self.options[section][key]

    def origins(self) -> dict[str, str]:
        """Return the origin of every key of ``as_dict``."""
        return {
            f"{section}.{key}": self.origin(f"{section}.{key}")
            for section, table in self.as_dict().items()
            for key in table
        }

    def read_options(self, name: str, kind: type[Any] | None) -> Any:
        """Return the options of one plugin object: see ``OptionTables.read_options``.

        Args:
            name: Name of the table.
            kind: The plugin's options class; None for a plugin without options.
        """
        return self.option_tables.read_options(name, kind)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return all tables as JSON values, laid out like otx.toml."""
        ours = {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}
        plain: dict[str, dict[str, Any]] = _plain({**ours, **self.options})
        return plain


def load_settings(
    *,
    flags: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    recipe: Path | None = None,
    start: Path | None = None,
) -> Settings:
    """Load the settings that hold in a folder.

    Args:
        flags: Values by dotted key; None and empty sequences are flags that were not given.
        sets: Texts of ``--set``: ``table.key=value``.
        arguments: Values by dotted key that a call from Python gives; they take precedence over all others.
        recipe: TOML file whose settings take precedence over otx.toml, but not over flags.
        start: Folder where the search for otx.toml begins; the working folder by default.

    Returns:
        The settings, each with its origin.

    Raises:
        UsageError: For an unknown or renamed key, a wrong type or a value out of range, naming file, line and key.
    """
    gathered = _Gathered()
    file = find_file(start or Path.cwd())
    if file is not None:
        gathered.layer(read_file(file), os.path.relpath(file))
    if recipe is not None:
        gathered.layer(*_recipe_entries(recipe))
    gathered.layer(_given_flags(flags or {}))
    for text in sets:
        dotted, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set '{text}' has no value", "write --set table.key=value")
        gathered.layer([(dotted.strip(), parse_value(value.strip()), "--set")])
    gathered.layer([(dotted, value, ARGUMENT) for dotted, value in (arguments or {}).items()])
    settings = gathered.settings(file)
    runs = _anchored(settings.runs, file, settings.origin("runs.folder"))
    return dataclasses.replace(settings, runs=runs)


def overlaid(
    settings: Settings,
    *,
    recipe: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Settings:
    """Add a recipe, flags or arguments to loaded settings, without reading otx.toml again.

    Flags that need the plugins, such as ``--data`` of the tasks that are named, are known only after loading.

    Args:
        settings: The loaded settings.
        recipe: TOML file whose settings take precedence over otx.toml, but not over flags.
        flags: Further values by dotted key; ``--set`` takes precedence over them.
        arguments: Further values by dotted key, given from Python; they take precedence over everything else.

    Returns:
        The settings as if everything had been given to ``load_settings``.

    Raises:
        UsageError: For an unknown key, a wrong type or a value out of range, naming its origin.
    """
    given = [(key, settings.value(key), origin) for key, origin in settings.given.items()]
    gathered = _Gathered()
    gathered.layer([entry for entry in given if not entry[2].startswith("--")])
    if recipe is not None:
        gathered.layer(*_recipe_entries(recipe))
    known = [entry for entry in given if entry[2].startswith("--") and entry[2] != "--set"]
    gathered.layer([*known, *_given_flags(flags or {})])
    gathered.layer([entry for entry in given if entry[2] in ("--set", ARGUMENT)])
    gathered.layer([(dotted, value, ARGUMENT) for dotted, value in (arguments or {}).items()])
    result = gathered.settings(settings.file)
    if "runs.folder" not in result.given:
        # The default is relative to the folder of otx.toml.
        result = dataclasses.replace(result, runs=settings.runs)
    return result


def settings_from(record: Mapping[str, Mapping[str, Any]], origin: str) -> Settings:
    """Return the settings of a run's record, which may be of an older schema.

    Args:
        record: Tables as ``Settings.as_dict`` gave them.
        origin: Origin of every value, for messages.
    """
    gathered = _Gathered()
    for section, table in migrate_tables(record).items():
        for key, value in table.items():
            gathered.put(f"{section}.{key}", value, origin)
    return gathered.settings(None)


def _given_flags(flags: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """Return the flags that were given, with their origins."""
    return [
        (dotted, value, f"--{dotted.rpartition('.')[2].replace('_', '-')}")
        for dotted, value in flags.items()
        if value is not None and value != () and value != []
    ]


def _recipe_entries(recipe: Path) -> tuple[list[tuple[str, Any, str]], str]:
    """Return the settings of a recipe with their origin, and the origin."""
    origin = f"recipe {recipe.stem}"
    named = (entry[:2] for entry in read_file(recipe) if not entry[0].startswith("recipe."))
    return [(dotted, value, origin) for dotted, value in named], origin


def _anchored(runs: RunSettings, file: Path | None, origin: str) -> RunSettings:
    """Return the table with a folder relative to that of otx.toml, unless a flag or a recipe sets it."""
    if file is None or origin in ("--folder", "--set", ARGUMENT) or origin.startswith("recipe"):
        return runs
    return dataclasses.replace(runs, folder=os.path.relpath(file.parent / runs.folder))


class _Gathered:
    """Values by table and key, later ones over earlier ones, with their origins."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.given: dict[str, str] = {}

    def layer(self, entries: Iterable[tuple[str, Any, str]], place: str = "") -> None:
        """Set the values of one place, given as dotted keys, values and origins.

        Epochs take precedence over the steps of an earlier place, such as a recipe.
        """
        entries = list(entries)
        _refuse_old_names([(dotted, origin) for dotted, _, origin in entries], place)
        given = {dotted for dotted, _, _ in entries}
        if "align.epochs" in given and "align.steps" not in given:
            self.tables.get("align", {}).pop("steps", None)
            self.given.pop("align.steps", None)
        for entry in entries:
            self.put(*entry)

    def put(self, dotted: str, value: Any, origin: str) -> None:
        """Set one key; a third part of ``dotted`` is a key in a value that is itself a table."""
        section, _, rest = dotted.partition(".")
        key, _, inner = rest.partition(".")
        if not section or not key:
            known = {
                f"{name}.{one}" for name, kind in SECTIONS.items() for one in field_types(kind)
            }
            meant = [one for one in sorted(known) if one.endswith(f".{dotted}")]
            advice = f"did you mean '{meant[0]}'?" if meant else remedy(dotted, known)
            raise UsageError(f"{origin}: '{dotted}' is in no table", advice)
        table = self.tables.setdefault(section, {})
        if inner:
            before = table.get(key)
            value = {**(before if isinstance(before, dict) else {}), inner: value}
        if (section, key) == ("align", "objective") and isinstance(value, list):
            value = [term_text(term) if isinstance(term, Mapping) else term for term in value]
        table[key] = value
        self.given[f"{section}.{key}"] = origin

    def settings(self, file: Path | None) -> Settings:
        """Return the typed settings."""
        ours = {
            name: fill(kind, self.tables.get(name, {}), name, self._origin)
            for name, kind in SECTIONS.items()
        }
        others = {name: table for name, table in self.tables.items() if name not in SECTIONS}
        return Settings(**ours, options=others, given=self.given, file=file)

    def _origin(self, dotted: str) -> str:
        return self.given.get(dotted, DEFAULT)


def _refuse_old_names(keys: Sequence[tuple[str, str]], place: str) -> None:
    """Raise UsageError that lists every old name among dotted keys with their origins, and its new name."""
    shortened = [(".".join(dotted.split(".")[:2]), origin) for dotted, origin in keys]
    old = {dotted: origin for dotted, origin in shortened if dotted in RENAMED}
    if not old:
        return
    in_file = place != "" and not place.startswith("recipe ")
    named = {dotted: f"'{dotted}' is now '{RENAMED[dotted]}'" for dotted in old}
    if len(old) == 1:
        ((dotted, origin),) = old.items()
        advice = f"rewrite the file with: {MIGRATE}" if in_file else f"write {RENAMED[dotted]}"
        raise UsageError(f"{origin}: {named[dotted]}", advice)
    lines = {dotted: origin.rpartition(":")[2] for dotted, origin in old.items() if in_file}
    shown = [
        text + (f" (line {lines[dotted]})" if lines.get(dotted, "").isdecimal() else "")
        for dotted, text in named.items()
    ]
    raise UsageError(
        f"{place} has {len(old)} settings under old names: {', '.join(shown)}",
        f"rewrite the file with: {MIGRATE}" if in_file else "write the new names",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
