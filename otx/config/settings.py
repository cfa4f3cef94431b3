"""Settings: defaults, then otx.toml, then a recipe, then flags; typed, each value with its origin.

Paths in settings count from the folder where the command is run, but for ``runs.folder`` where otx.toml or nobody sets
it: a project has one folder of runs, beside its otx.toml, wherever in it one works.
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
from otx.config.schema import SECTIONS, Sections
from otx.config.toml_file import find_file, parse_value, read_file
from otx.config.validation import field_types, fill
from otx.did_you_mean import remedy
from otx.errors import UsageError

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Settings(Sections):
    """Everything that can be set.

    Attributes:
        options: Tables of objectives, encoders, corpora and tasks, by name.
        given: Where each dotted key was set: "otx.toml:12", "recipe wordot", "--lr" or "--set".
        file: The otx.toml that was read, if there was one.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    def origin(self, dotted: str) -> str:
        """Where a key got its value: "default", "otx.toml:12", "recipe wordot", "--lr" or "--set"."""
        return self.given.get(dotted, DEFAULT)

    def origins(self) -> dict[str, str]:
        """The origin of every key of ``as_dict``."""
        return {
            f"{section}.{key}": self.origin(f"{section}.{key}")
            for section, table in self.as_dict().items()
            for key in table
        }

    def read_options(self, name: str, kind: type[Any] | None) -> Any:
        """Return table ``name`` as an instance of the options class ``kind``; None for a plugin without options.

        Raises:
            UsageError: For an unknown key (with the nearest known one) and for a value of a wrong type.
        """
        table = self.options.get(name, {})
        if kind is not None:
            return fill(kind, table, name, self.origin)
        for key in table:
            dotted = f"{name}.{key}"
            raise UsageError(f"{self.origin(dotted)}: unknown setting '{dotted}'", "it has none")
        return None

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """All tables as JSON can hold them, laid out like otx.toml."""
        ours = {name: dataclasses.asdict(getattr(self, name)) for name in SECTIONS}
        plain: dict[str, dict[str, Any]] = _plain({**ours, **self.options})
        return plain


def load_settings(
    *,
    flags: Mapping[str, Any] | None = None,
    sets: Sequence[str] = (),
    recipe: Path | None = None,
    start: Path | None = None,
) -> Settings:
    """Settings of the folder ``start`` (default: the working folder).

    ``flags`` are values by dotted key (None and empty sequences are flags that were not given), ``sets`` texts
    ``table.key=value``. Raises UsageError naming file, line and key.
    """
    gathered = _Gathered()
    file = find_file(start or Path.cwd())
    if file is not None:
        gathered.layer(read_file(file))
    if recipe is not None:
        whence = f"recipe {recipe.stem}"
        named = (entry[:2] for entry in read_file(recipe) if not entry[0].startswith("recipe."))
        gathered.layer([(dotted, value, whence) for dotted, value in named])
    gathered.layer(
        [
            (dotted, value, f"--{dotted.rpartition('.')[2].replace('_', '-')}")
            for dotted, value in (flags or {}).items()
            if value is not None and value != () and value != []
        ]
    )
    for text in sets:
        dotted, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set '{text}' sets nothing", "write --set table.key=value")
        gathered.layer([(dotted.strip(), parse_value(value.strip()), "--set")])
    return _anchored(gathered.settings(file))


def overlaid(
    settings: Settings, *, recipe: Path | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Add a recipe or flags to loaded settings, without reading otx.toml again.

    Flags that need the plugins, such as ``--data`` of whichever tasks are named, are known only after loading.

    Args:
        settings: The loaded settings.
        recipe: TOML file whose settings take precedence over otx.toml, but not over flags.
        flags: Further values by dotted key; ``--set`` takes precedence over them.

    Returns:
        The settings as if all had been given to ``load_settings``.

    Raises:
        UsageError: For an unknown key, a wrong type or a value out of range, naming its origin.
    """

    def value_of(dotted: str) -> Any:
        section, _, key = dotted.partition(".")
        if section in SECTIONS:
            return getattr(getattr(settings, section), key)
        return settings.options[section][key]

    given = [(dotted, value_of(dotted), origin) for dotted, origin in settings.given.items()]
    gathered = _Gathered()
    gathered.layer([entry for entry in given if not entry[2].startswith("--")])
    if recipe is not None:
        origin = f"recipe {recipe.stem}"
        named = (entry[:2] for entry in read_file(recipe) if not entry[0].startswith("recipe."))
        gathered.layer([(dotted, value, origin) for dotted, value in named])
    added = [
        (dotted, value, f"--{dotted.rpartition('.')[2].replace('_', '-')}")
        for dotted, value in (flags or {}).items()
        if value is not None and value != () and value != []
    ]
    known = [entry for entry in given if entry[2].startswith("--") and entry[2] != "--set"]
    gathered.layer([*known, *added])
    gathered.layer([entry for entry in given if entry[2] == "--set"])
    result = gathered.settings(settings.file)
    if "runs.folder" not in result.given:
        # The default is beside otx.toml.
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


def _anchored(settings: Settings) -> Settings:
    origin = settings.origin("runs.folder")
    if settings.file is None or origin in ("--folder", "--set") or origin.startswith("recipe"):
        return settings
    folder = Path(os.path.relpath(settings.file.parent / settings.runs.folder))
    return dataclasses.replace(
        settings, runs=dataclasses.replace(settings.runs, folder=str(folder))
    )


class _Gathered:
    """Values by table and key, later ones over earlier ones, with their origins."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.given: dict[str, str] = {}

    def layer(self, entries: Iterable[tuple[str, Any, str]]) -> None:
        """Set what one place gives: dotted keys, values and origins.

        Epochs that are given over steps of a place before, a recipe say, take them back.
        """
        entries = list(entries)
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
        if new_name := RENAMED.get(f"{section}.{key}"):
            raise UsageError(
                f"{origin}: '{section}.{key}' is now '{new_name}'",
                f"write {new_name}; otx config migrate rewrites an otx.toml",
            )
        table = self.tables.setdefault(section, {})
        if inner:
            before = table.get(key)
            value = {**(before if isinstance(before, dict) else {}), inner: value}
        if (section, key) == ("align", "objective") and isinstance(value, list):
            value = [term_text(term) if isinstance(term, Mapping) else term for term in value]
        table[key] = value
        self.given[f"{section}.{key}"] = origin

    def settings(self, file: Path | None) -> Settings:
        """The typed settings."""
        ours = {
            name: fill(kind, self.tables.get(name, {}), name, self._origin)
            for name, kind in SECTIONS.items()
        }
        others = {name: table for name, table in self.tables.items() if name not in SECTIONS}
        return Settings(**ours, options=others, given=self.given, file=file)

    def _origin(self, dotted: str) -> str:
        return self.given.get(dotted, DEFAULT)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
