"""Open what settings name: encoders, objectives with their weights, and the options in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otx.config.objective_term import ObjectiveTerm, parse_term
from otx.config.roles import digested_options
from otx.config.settings import Settings
from otx.did_you_mean import nearest
from otx.errors import DataError, UsageError
from otx.interfaces import Encoder
from otx.plugin_host.interface_checks import objective_faults
from otx.plugin_host.registry import Entry, Registry
from otx.training.weighted_objective import WeightedSum

DEFAULT_ENCODER = "huggingface"
KEEP_CLOSE = "keep-close"
PAPER_RATE = 5e-5
"""Alqahtani et al.'s, for mBERT and XLM-R base."""


def resolve_encoder(model: str, registry: Registry) -> tuple[Entry, str]:
    """Return the encoder plugin that a model reference names, and what that plugin opens."""
    entry, rest = registry.resolve("encoder", model, DEFAULT_ENCODER)
    return entry, rest or entry.name


def open_encoder(reference: str, registry: Registry, settings: Settings) -> Encoder:
    """``mini`` or another registered name, ``name:reference`` for a plugin, else a Hugging Face folder or Hub id."""
    entry, rest = resolve_encoder(reference, registry)
    try:
        encoder: Encoder = entry.make(rest, entry.read_options(settings))
    except DataError as error:
        named = reference.partition(":")[0]
        if entry.name != DEFAULT_ENCODER or "/" in named or Path(named).exists():
            raise
        # Perhaps the name of an encoder was meant.
        meant = nearest(reference, [entry.name for entry in registry.entries("encoder")])
        advice = f"did you mean '{meant}'? (otx list encoders)" if meant else error.remedy
        hints = [hint for hint in (registry.absence_hint(named), advice) if hint]
        raise DataError(error.message, "; ".join(hints) or None) from error
    return encoder


def terms(settings: Settings) -> list[ObjectiveTerm]:
    """Every term: those asked for, and ``keep-close`` unless it is among them or weighs nothing."""
    wanted = [parse_term(text) for text in settings.align.objective]
    weight = settings.align.keep_close
    if weight > 0 and all(term.name.rpartition(":")[2] != KEEP_CLOSE for term in wanted):
        wanted.append(ObjectiveTerm(KEEP_CLOSE, weight, weight))
    return wanted


def make_objective(settings: Settings, registry: Registry, dimension: int) -> WeightedSum:
    """The weighted objectives of ``align.objective`` and the ``keep-close`` that goes with them, options checked."""
    parts = []
    for term in terms(settings):
        entry = registry.find("objective", term.name)
        objective = entry.make(entry.read_options(settings), dimension)
        for fault in objective_faults(objective):
            raise entry.owner.fault(fault, "see otx.interfaces")
        parts.append((term, objective))
    if not parts:
        raise UsageError(
            "no objective is given", "name one with --objective; see otx list objectives"
        )
    return WeightedSum(parts)


def options_in_force(settings: Settings, registry: Registry) -> dict[str, Any]:
    """The options, defaults included, of the encoder and of every objective that is trained with."""
    encoder = resolve_encoder(settings.encoder.model, registry)[0]
    objectives = [registry.find("objective", term.name) for term in terms(settings)]
    return {
        entry.name: digested_options(entry.read_options(settings))
        for entry in [encoder, *objectives]
    }


def learning_rate(settings: Settings, encoder: Encoder) -> float:
    """The peak learning rate: ``optimizer.lr``, else the encoder's own, else the paper's."""
    rate = PAPER_RATE if encoder.learning_rate is None else encoder.learning_rate
    return settings.optimizer.lr or float(rate)


def trainable(encoder: Encoder) -> int:
    """How many parameters would be trained."""
    return sum(p.numel() for p in encoder.module.parameters() if p.requires_grad)
