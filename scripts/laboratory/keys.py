"""Everything that a cell's numbers depend on, as plain data, and the key computed from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from otx.config.toml_file import read_file
from otx.files.digests import content_key
from otx.plugin_host.registry import Registry
from otx.runs.record_migration import first_names
from scripts.laboratory.material import ALIGNING, BITEXT, Manifest, digests_of
from scripts.laboratory.study import MATERIAL, Cell, Study

SCHEMA = 1
"""Version of the contents; raise it when the same study would give other numbers."""


def contents_of(study: Study, cell: Cell, registry: Registry) -> dict[str, Any]:
    """Return everything that the study states about a cell.

    Args:
        study: The study.
        cell: The cell.
        registry: The registered plugins, which know recipes and versions of tasks.

    Returns:
        Settings, recipe, seed, and tasks with their versions, as JSON values.
    """
    system = study.systems[cell.system]
    recipe: dict[str, Any] = {}
    if system.recipe is not None:
        path = registry.find("recipe", system.recipe).path
        assert path is not None
        recipe = {k: v for k, v, _ in read_file(path) if not k.startswith("recipe.")}
    contents: dict[str, Any] = {
        "schema": SCHEMA,
        "settings": study.settings,
        "recipe": recipe,
        "set": dict(system.set),
        "wrong": system.wrong,
        "align": system.align,
        "seed": cell.seed,
        "bitext": None,
        "copy": list(study.copy) if system.align else [],
        "corpora": [],
        "tasks": {},
    }
    if study.bitext is not None and system.align:
        languages = study.bitext.languages
        contents["bitext"] = asdict(study.bitext)
        contents["corpora"] = [f"{MATERIAL}/bitext/en-{language}" for language in languages]
    for name in cell.tasks:
        task = study.tasks[name]
        info = registry.find("task", task.task).info
        contents["tasks"][name] = {
            "task": task.task,
            "version": None if info is None else info.version,
            "languages": list(task.languages),
            "data": task.data,
            "options": dict(task.options),
            "copy": list(task.copy),
            "train": None if task.train is None else asdict(task.train),
            "pairs": None if task.pairs is None else asdict(task.pairs),
        }
    return contents


def drawing_of(study: Study) -> str:
    """Return a digest of how the study's data is drawn: a pack must have the same one.

    Args:
        study: The study.
    """
    tasks = {name: (task.copy, task.train, task.pairs) for name, task in study.tasks.items()}
    drawn = [study.bitext, study.copy, tasks]
    return content_key(drawn=repr(drawn))


def files_of(study: Study, cell: Cell, manifest: Manifest) -> dict[str, str]:
    """Return the digests of the files that a cell reads.

    Args:
        study: The study.
        cell: The cell.
        manifest: Manifest of the study's data.
    """
    aligning = [BITEXT, ALIGNING] if study.systems[cell.system].align else []
    return digests_of(manifest, [*aligning, *cell.tasks])


def key_of(contents: dict[str, Any], files: dict[str, str], model_digest: str) -> str:
    """Return the key of a cell: equal keys mean equal numbers.

    Args:
        contents: Contents of the cell, from ``contents_of``.
        files: Digests of its files, from ``files_of``.
        model_digest: Digest of the encoder.
    """
    return content_key(contents=under_first_names(contents), files=files, model=model_digest)


def under_first_names(contents: dict[str, Any]) -> dict[str, Any]:
    """Return a cell's contents with the names that settings had in schema 1.

    Cells that were computed before the settings were renamed keep their keys and pool with those computed after.

    Args:
        contents: Contents from ``contents_of`` or from the result of a cell, with old or present names.
    """
    renamed = {part: first_names(contents[part]) for part in ("settings", "recipe", "set")}
    return {**contents, **renamed}
