"""`otx doctor`: check that everything that otx needs is installed and works."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

from otx import __version__
from otx.cli.console import columns, screen
from otx.cli.flags import Json, example
from otx.config.option_tables import OptionTables
from otx.config.settings import Settings, load_settings
from otx.errors import OTXError, PluginError
from otx.plugin_host.host import PluginHost, PluginRecord
from otx.plugin_host.registry import clash, clash_remedy
from otx.training.processor import read_processor

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "datasets",
    "numpy",
    "scipy",
    "POT",
    "pluggy",
    "typer",
)
EPSILON = 0.5
TOLERANCE = 1e-5
"""Regularisation and accepted error of the check of the transport solver."""


def register(app: typer.Typer) -> None:
    """Add the command.

    Args:
        app: The application.
    """
    app.command(epilog=example("otx doctor"))(doctor)


def doctor(json: Json = False) -> None:
    """Check versions, device, disk, plugins and the transport solver.

    The exit code is 0 if everything works, 1 if otx itself or its settings are broken, and 4 if only plugins are: one
    failed, or a name that several distributions register is not settled.
    """
    settings, complaint = _settings()
    plugins = PluginHost(settings.plugins)
    plugins.load()
    complaint = complaint or _table_complaint(plugins, settings.option_tables)
    clashes = [
        {"names": clash(owners[0].kind, owners), "remedy": clash_remedy(owners[0].kind, owners)}
        for owners in plugins.registry.clashes()
    ]
    report: dict[str, Any] = {
        "otx": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "settings": {"file": settings.file and str(settings.file), "error": complaint},
        "plugins": [dataclasses.asdict(record) for record in plugins.records],
        "clashes": clashes,
        "checks": examine(Path(settings.runs.folder)),
    }
    if json:
        screen.json(report)
    else:
        _print(report, plugins.records)
    works = all(check["ok"] for check in report["checks"]) and complaint is None
    if not (works and all(report["libraries"].values())):
        raise typer.Exit(1)
    if plugins.failed or clashes:
        raise typer.Exit(PluginError.exit_code)


def _table_complaint(plugins: PluginHost, options: OptionTables) -> str | None:
    try:
        plugins.check_tables(options)
    except OTXError as error:
        return str(error)
    return None


def _settings() -> tuple[Settings, str | None]:
    try:
        return load_settings(), None
    except OTXError as error:
        return Settings(), str(error)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def examine(runs: Path) -> list[dict[str, Any]]:
    """Make every check, even if another one fails.

    Args:
        runs: Folder of the run folders, which need not exist.

    Returns:
        Name, success and finding of each check.
    """
    checks: dict[str, Callable[[], str]] = {
        "processor": _processor,
        "device": _device,
        "disk": lambda: _disk(runs),
        "cache": _cache,
        "writing": lambda: _writing(runs),
        "transport": _transport,
    }
    results = []
    for name, check in checks.items():
        try:
            results.append({"name": name, "ok": True, "found": check()})
        except Exception as error:
            # A failed check is a finding; the others are made all the same.
            text = f"{type(error).__name__}: {error}"
            results.append({"name": name, "ok": False, "found": text})
    return results


def _processor() -> str:
    import torch

    threads = torch.get_num_threads()
    return f"{read_processor().describe()}; {threads} thread{'' if threads == 1 else 's'}"


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return "no GPU"
    gpu = torch.cuda.get_device_properties(0)
    return f"{torch.cuda.device_count()} GPU: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB"


def _disk(runs: Path) -> str:
    folder = _existing(runs)
    return f"{shutil.disk_usage(folder).free / 1e9:.1f} GB free in {folder}"


def _cache() -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    from otx.data.cache import cache_folder

    return f"text in {cache_folder()}, downloads in {HF_HUB_CACHE}"


def _writing(runs: Path) -> str:
    folder = _existing(runs)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"otx")
        file.flush()
        os.fsync(file.fileno())
    return f"{folder} can be written"


def _transport() -> str:
    """Compare Sinkhorn with the closed form for two points 0 or 1 apart: -epsilon log((1 + exp(-1 / epsilon)) / 2)."""
    import torch

    from otx.ot.solvers.sinkhorn import sinkhorn

    cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    mass = torch.full((1, 2), 0.5)
    value = float(sinkhorn(cost, mass, mass, epsilon=EPSILON).value)
    expected = -EPSILON * math.log((1 + math.exp(-1 / EPSILON)) / 2)
    if not abs(value - expected) < TOLERANCE:
        raise ArithmeticError(f"Sinkhorn gives {value:.7f}, the closed form {expected:.7f}")
    return f"Sinkhorn agrees with the closed form within {abs(value - expected):.0e}"


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _print(report: dict[str, Any], records: list[PluginRecord]) -> None:
    settings, libraries = report["settings"], report["libraries"]
    rows = [(name, str(report[name])) for name in ("otx", "python", "platform", "cores")]
    rows += [(name, version or "MISSING") for name, version in libraries.items()]
    rows.append(("settings", settings["error"] or settings["file"] or "no otx.toml"))
    for check in report["checks"]:
        rows.append((check["name"], f"{'' if check['ok'] else 'FAILED: '}{check['found']}"))
    for record in records:
        shown = f"{record.status}  {record.distribution} {record.version}"
        rows.append(
            (f"plugin {record.name}", f"{shown}: {record.error}" if record.error else shown)
        )
    rows += [("clash", f"{one['names']}: {one['remedy']}") for one in report["clashes"]]
    screen.result(columns(rows))
    for record in records:
        if record.trace:
            screen.result(
                f"\nplugin {record.name} ({record.distribution}):\n{record.trace.rstrip()}"
            )
