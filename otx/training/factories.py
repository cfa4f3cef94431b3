"""Open what settings name: encoders, and objectives with their weights and options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from otx.config.objective_term import ObjectiveTerm, parse_term
from otx.config.option_tables import OptionSource
from otx.config.roles import digested_options
from otx.config.schema import AlignSettings, OptimizerSettings
from otx.did_you_mean import nearest
from otx.errors import DataError, UsageError
from otx.interfaces import Encoder
from otx.plugin_host.interface_checks import objective_faults
from otx.plugin_host.registry import Entry, Registry
from otx.training.weighted_objective import WeightedSum

DEFAULT_ENCODER = "huggingface"
"""Encoder plugin for every reference that is not a registered name."""
KEEP_CLOSE = "keep-close"
PAPER_RATE = 5e-5
"""Peak learning rate of Alqahtani et al. (2021) for mBERT and XLM-R base."""


def resolve_encoder(model: str, registry: Registry) -> tuple[Entry, str]:
    """Return the encoder plugin that a model reference names, and the reference that the plugin opens.

    Args:
        model: A registered name, ``name:reference``, a folder, or a Hub id.
        registry: The registered encoders.

    Raises:
        UsageError: For a name that two distributions register.
    """
    entry, rest = registry.resolve("encoder", model, DEFAULT_ENCODER)
    return entry, rest or entry.name


def open_encoder(reference: str, registry: Registry, options: OptionSource) -> Encoder:
    """Load an encoder.

    Args:
        reference: A registered name such as ``mini``, ``name:reference`` for a plugin, or else a Hugging Face folder or
            Hub id.
        registry: The registered encoders.
        options: Their options.

    Raises:
        DataError: If there is no such model, or its files cannot be used.
    """
    entry, rest = resolve_encoder(reference, registry)
    try:
        encoder: Encoder = entry.make(rest, entry.read_options(options))
    except DataError as error:
        name = reference.partition(":")[0]
        if entry.name != DEFAULT_ENCODER or "/" in name or Path(name).exists():
            raise
        # Perhaps the name of an encoder was meant.
        meant = nearest(reference, [entry.name for entry in registry.entries("encoder")])
        advice = f"did you mean '{meant}'? (otx list encoders)" if meant else error.remedy
        hints = [hint for hint in (registry.absence_hint(name), advice) if hint]
        raise DataError(error.message, "; ".join(hints) or None) from error
    return encoder


def objective_terms(align: AlignSettings) -> list[ObjectiveTerm]:
    """Return the terms of the loss: the objectives, and ``keep-close`` unless they name it or its weight is 0.

    Args:
        align: Objectives, and the weight of ``keep-close``.

    Example:
        >>> [f"{term.amount}*{term.name}" for term in objective_terms(AlignSettings(objective=("0.5*tlm",)))]
        ['0.5*tlm', '0.1*keep-close']
    """
    terms = [parse_term(text) for text in align.objective]
    weight = align.keep_close
    if weight > 0 and all(term.name.rpartition(":")[2] != KEEP_CLOSE for term in terms):
        terms.append(ObjectiveTerm(KEEP_CLOSE, weight, weight))
    return terms


def make_objective(
    terms: Sequence[ObjectiveTerm], registry: Registry, options: OptionSource, dimension: int
) -> WeightedSum:
    """Make the weighted sum of objectives.

    Args:
        terms: The objectives and their weights.
        registry: The registered objectives.
        options: Their options.
        dimension: Width of the encoder's vectors.

    Raises:
        UsageError: If there is no term, a name is unknown or repeated, or an option is wrong.
        PluginError: If an objective does not keep its interface.
    """
    parts = []
    for term in terms:
        entry = registry.find("objective", term.name)
        objective = entry.make(entry.read_options(options), dimension)
        for fault in objective_faults(objective):
            raise entry.owner.fault(fault, "see otx.interfaces")
        parts.append((term, objective))
    if not parts:
        raise UsageError(
            "no objective is given", "name one with --objective; see otx list objectives"
        )
    return WeightedSum(parts)


def options_in_force(
    model: str, terms: Sequence[ObjectiveTerm], registry: Registry, options: OptionSource
) -> dict[str, Any]:
    """Return the options, defaults included, of an encoder and of the objectives it is trained with.

    Args:
        model: Reference of the encoder.
        terms: The objectives.
        registry: The registered names.
        options: Options as they were set.

    Returns:
        Options by name, with the digest of the content in place of each path.
    """
    encoder = resolve_encoder(model, registry)[0]
    objectives = [registry.find("objective", term.name) for term in terms]
    return {
        entry.name: digested_options(entry.read_options(options))
        for entry in [encoder, *objectives]
    }


def learning_rate(optimizer: OptimizerSettings, encoder: Encoder) -> float:
    """Return the peak learning rate: ``optimizer.lr``, or else the encoder's own, or else the paper's.

    Args:
        optimizer: The learning rate that was set, if any.
        encoder: The encoder, which may have a learning rate of its own.
    """
    rate = PAPER_RATE if encoder.learning_rate is None else encoder.learning_rate
    return optimizer.lr or float(rate)


def count_trainable(encoder: Encoder) -> int:
    """Return the number of parameters that are trained.

    Args:
        encoder: The encoder.
    """
    return sum(p.numel() for p in encoder.module.parameters() if p.requires_grad)
