"""The level of the plugin API, and how plugins made for an earlier level are recognised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

API = 2
"""Level of the plugin API: it grows whenever a plugin can ask for something new, or must ask in another way."""
GUIDE = "docs/migrating-plugins.md"
REMEDY = f"install a newer release of the plugin, or change it as {GUIDE} shows"

API_1_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "otx.contracts": "otx.interfaces",
        "otx.types.Needs": "otx.views",
        "otx.types.Masked": "otx.types.MaskedLogits",
        "otx.testing.random_pair": "otx.testing.example_pair",
        "otx.options": "otx.config.validation",
        "otx.roles": "otx.config.roles",
        "otx.sections": "otx.config.schema",
        "otx.terms": "otx.config.objective_term",
        "otx.toml": "otx.config.toml_file",
        "otx.registry": "otx.plugin_host.registry",
        "otx.plugins": "otx.plugin_host.host",
        "otx.guard": "otx.plugin_host.isolation",
        "otx.engine": "otx.training, otx.alignment and otx.evaluation",
        "otx.data.examples": "otx.files.example_digest",
        "otx.data.joined": "otx.data.pair_sequences",
        "otx.data.normal": "otx.data.normalise",
        "otx.data.reading": "otx.data.inference",
        "otx.data.segments": "otx.data.unicode_words",
        "otx.data.split": "otx.data.holdout",
        "otx.links.nearest": "otx.links.neighbours",
        "otx.links.ways": "otx.links.methods",
        "otx.ot.annealing": "otx.ot.solvers.geomloss",
        "otx.ot.clouds": "otx.ot.solvers.point_cloud",
        "otx.ot.divergence": "otx.ot.solvers.divergence",
        "otx.ot.exact": "otx.ot.solvers.exact",
        "otx.ot.fused_gromov": "otx.ot.solvers.fused_gromov",
        "otx.ot.grid": "otx.ot.solvers.pairwise",
        "otx.ot.line": "otx.ot.solvers.univariate",
        "otx.ot.marginals": "otx.ot.problems.marginals",
        "otx.ot.masses": "otx.ot.problems.masses",
        "otx.ot.partial": "otx.ot.solvers.partial",
        "otx.ot.shaping": "otx.ot.costs.transforms",
        "otx.ot.sinkhorn": "otx.ot.solvers.sinkhorn",
        "otx.ot.unbalanced": "otx.ot.solvers.unbalanced",
    }
)
"""Names of plugin API 1 that level 2 does not have, and where their content is now."""

_FROM = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_MODULE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")


def outdated(reason: str) -> str:
    """Return the complaint about a plugin made for plugin API 1.

    Args:
        reason: What shows it, as a clause whose subject is the plugin.

    Returns:
        A clause whose subject is the plugin or its object.

    Example:
        >>> outdated("it imports otx.contracts")
        'made for plugin API 1, and this otx has plugin API 2: it imports otx.contracts'
    """
    return f"made for plugin API 1, and this otx has plugin API {API}: {reason}"


def api_1_reason(error: BaseException) -> str | None:
    """Return what shows that a plugin failed because it was made for plugin API 1.

    Args:
        error: The exception that its import or call ended in.

    Returns:
        The reason, for ``outdated``; None for any other failure.

    Example:
        >>> api_1_reason(ModuleNotFoundError("", name="otx.contracts"))
        'it imports otx.contracts, which is now otx.interfaces'
    """
    name = _missing_name(error)
    # otx.engine.fit is missing because otx.engine is.
    while name is not None and name not in API_1_NAMES:
        name = name.rpartition(".")[0] or None
    return None if name is None else f"it imports {name}, which is now {API_1_NAMES[name]}"


def _missing_name(error: BaseException) -> str | None:
    """Return the full name whose absence an exception reports."""
    if isinstance(error, ModuleNotFoundError):
        return error.name
    if isinstance(error, ImportError) and (match := _FROM.match(str(error))):
        return f"{match[2]}.{match[1]}"
    if isinstance(error, AttributeError) and (match := _MODULE.match(str(error))):
        return f"{match[1]}.{match[2]}"
    return None
