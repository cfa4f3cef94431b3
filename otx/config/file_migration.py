"""Rewrite an otx.toml that has old names of settings, keeping its comments and layout."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from otx.config.migration import RENAMED, migrate_tables
from otx.config.toml_file import read_file, read_settings_text
from otx.errors import UsageError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Item, Key, Table


@dataclass(frozen=True, slots=True)
class FileMigration:
    """A file of settings before and after its migration.

    Attributes:
        path: The file.
        before: Its text.
        after: Its text with present names; equal to ``before`` if it has no old name.
        renamed: New dotted key by old one, in the order of the file.
    """

    path: Path
    before: str
    after: str
    renamed: Mapping[str, str]

    def diff(self) -> str:
        """Return the change as a unified diff, without a final line break; empty if there is none."""
        name = str(self.path)
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), name, name, lineterm=""
        )
        return "\n".join(lines)


def migrate_file(path: Path) -> FileMigration:
    """Return what a file of settings becomes with present names; nothing is written.

    Each renamed key moves to its new table, with the comment lines directly above it and the comment behind it.

    Args:
        path: An otx.toml or a recipe.

    Raises:
        UsageError: If the file is not TOML, a setting is in it under both names, or its layout cannot be rewritten.
    """
    origins = {".".join(dotted.split(".")[:2]): origin for dotted, _, origin in read_file(path)}
    renamed = {old: new for old, new in RENAMED.items() if old in origins}
    text = read_settings_text(path)
    if not renamed:
        return FileMigration(path, text, text, {})
    for old, new in renamed.items():
        if new in origins:
            raise UsageError(
                f"'{old}' ({origins[old]}) is also set under its new name, '{new}' ({origins[new]})",
                "remove one of the two",
            )
    after = migrate_text(text, renamed)
    if _canonical(tomli.loads(after)) != _canonical(_migrated(tomli.loads(text))):
        moves = ", ".join(f"{old} to {new}" for old, new in renamed.items())
        raise UsageError(
            f"{os.path.relpath(path)} has a layout that cannot be rewritten",
            f"rename by hand: {moves}",
        )
    return FileMigration(path, text, after, renamed)


def migrate_text(text: str, renamed: Mapping[str, str]) -> str:
    r"""Return TOML text with keys moved to other tables.

    Args:
        text: The text of the file.
        renamed: New ``table.key`` by old ``table.key``. No new key may be in the text.

    Example:
        >>> text = "[align]\nlr = 1e-4  # slow\nsteps = 3\n"
        >>> print(migrate_text(text, {"align.lr": "optimizer.lr"}))
        [align]
        steps = 3
        <BLANKLINE>
        [optimizer]
        lr = 1e-4  # slow
        <BLANKLINE>
    """
    # One kind of line break while keys are moved: new lines have it, too.
    line_break = "\r\n" if "\r\n" in text else "\n"
    moved = text.replace("\r\n", "\n")
    for old, new in renamed.items():
        moved = _move(moved if moved.endswith("\n") else f"{moved}\n", old, new)
    if not text.startswith(("\n", "\r")):
        moved = moved.lstrip("\n")
    return moved.replace("\n", line_break)


def _move(text: str, old: str, new: str) -> str:
    """Move one key and its comments to another table; a table that is left without lines goes."""
    import tomlkit
    from tomlkit.items import Null

    document = tomlkit.parse(text)
    (table_name, key), (new_table_name, new_key) = old.split("."), new.split(".")
    if new_table_name not in document:
        if text.strip() and not text.endswith("\n\n"):
            document.add(tomlkit.nl())
        document.add(new_table_name, tomlkit.table())
    target = _table(document, new_table_name, None)
    source = _table(document, table_name, key)
    if source is None or target is None:
        # An inline table: its keys have no comments.
        inline: Any = document[table_name]
        mapping: Any = document[new_table_name] if target is None else target
        mapping[new_key] = inline[key].unwrap()
        del inline[key]
        return tomlkit.dumps(document)
    body = source.value.body
    place = next(n for n, (name, _) in enumerate(body) if name is not None and name.key == key)
    places = [*_comments_above(body, place), place]
    lines = [body[n] for n in places]
    for n in places:
        body[n] = (None, Null())
    blank = _take_blank_lines(target.value.body)
    for name, item in lines:
        if name is None:
            target.add(item)  # type: ignore[call-overload]
        else:
            target.append(name if name.key == new_key else new_key, item)
    target.value.body.extend(blank)
    if not source.as_string().strip():
        place = next(n for n, (_, item) in enumerate(document.body) if item is source)
        document.body[place] = (None, Null())
    return tomlkit.dumps(document)


def _table(document: TOMLDocument, name: str, key: str | None) -> Table | None:
    """Return the ordinary table of a name, of several the one that has a key; None for an inline table."""
    from tomlkit.items import Table

    for other, item in document.body:
        named = other is not None and other.key == name
        if named and isinstance(item, Table) and (key is None or key in item.value):
            return item
    return None


def _comments_above(body: Sequence[tuple[Key | None, Item]], place: int) -> list[int]:
    """Return the places of the comment lines directly above a key, in the body of its table."""
    from tomlkit.items import Comment, Null

    places: list[int] = []
    while place > 0 and isinstance(body[place - 1][1], Comment | Null):
        place -= 1
        if isinstance(body[place][1], Comment):
            places.insert(0, place)
    return places


def _take_blank_lines(body: list[tuple[Key | None, Item]]) -> list[tuple[Key | None, Item]]:
    """Take the blank lines off the end of a table, where new keys go."""
    from tomlkit.items import Null, Whitespace

    taken: list[tuple[Key | None, Item]] = []
    while body and isinstance(body[-1][1], Whitespace | Null):
        taken.insert(0, body.pop())
    return taken


def _migrated(document: Mapping[str, Any]) -> dict[str, Any]:
    tables = {name: table for name, table in document.items() if isinstance(table, Mapping)}
    return {**document, **migrate_tables(tables)}


def _canonical(value: Any) -> Any:
    """Return a form in which equal documents are equal: without order, empty tables, or NaN that differs from NaN."""
    if isinstance(value, Mapping):
        return sorted((key, _canonical(item)) for key, item in value.items() if item != {})
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return repr(value)
