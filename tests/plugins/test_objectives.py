"""What the two plugins of objectives register: names, options, recipes."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli
import torch

import otx_baselines
import otx_transport
from otx.config.objective_term import parse_term
from otx.config.settings import load_settings
from otx.plugin_host.registry import Registry
from otx.testing import check_objective, example_pair
from otx.types import Encoded, Sides
from otx.views import Idf, Links, Momentum, Reference

OBJECTIVES = {*otx_baselines.OBJECTIVES, *otx_transport.OBJECTIVES}
RECIPES = [
    "alignfreeze",
    "awesome-align",
    "contrastive-strong",
    "contrastive-weak",
    "distillation",
    "infoxlm",
    "l2-cao",
    "labse",
    "omnisonar-token",
    "realign",
    "subot",
    "wordot",
    "wordot-large",
    "wordot-text",
    "xlm-align",
]


@pytest.fixture(scope="module")
def registry() -> Any:
    registry = Registry("otx")
    otx_transport.otx_register(registry)
    otx_baselines.otx_register(registry)
    return registry


def test_the_names_are_these(registry: Registry) -> None:
    assert {entry.name for entry in registry.entries("objective")} == OBJECTIVES
    assert [entry.name for entry in registry.entries("recipe")] == RECIPES


def test_registering_and_options_import_nothing_heavy() -> None:
    code = (
        "import otx_transport, otx_baselines, sys; from otx.plugin_host.registry import Registry\n"
        "for plugin in (otx_transport, otx_baselines): plugin.otx_register(Registry('otx'))\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'ot'} & set(sys.modules)))"
    )
    paths = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=paths)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_defaults_make_an_objective_that_keeps_the_contract(name: str, registry: Registry) -> None:
    entry = registry.find("objective", name)
    target = entry.load()
    check_objective(lambda: target(entry.options(), 8), dimension=8)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_its_source_and_open_choices(name: str, registry: Registry) -> None:
    entry = registry.find("recipe", name)
    table = tomli.loads(entry.path.read_text(encoding="utf-8"))["recipe"]
    assert set(table) == {"name", "source", "summary", "open_choices"}
    assert table["name"] == name
    assert table["summary"] == entry.summary
    assert len(table["open_choices"]) > 3


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipes_settings_are_valid_and_its_objectives_keep_the_contract(
    name: str, registry: Registry, tmp_path: Path
) -> None:
    settings = load_settings(recipe=registry.find("recipe", name).path, start=tmp_path)
    used = set()
    for text in settings.align.objective:
        objective = parse_term(text).name
        entry = registry.find("objective", objective)
        options, target = entry.read_options(settings), entry.load()
        check_objective(lambda t=target, o=options: t(o, 8), dimension=8)
        used.add(objective)
    # Of an objective that has options, a recipe leaves none to the default of the day.
    assert set(settings.options) == used - {"mlm", "tlm"}


def test_the_recipes_say_what_was_published(registry: Registry, tmp_path: Path) -> None:
    def options(recipe: Any, objective: Any) -> Any:
        settings = load_settings(recipe=registry.find("recipe", recipe).path, start=tmp_path)
        return settings, registry.find("objective", objective).read_options(settings)

    settings, wordot = options("wordot", "annealed-divergence")
    assert (wordot.blur, wordot.scaling, wordot.scope) == (0.05, 0.5, "batch")
    assert settings.align.objective == ("annealed-divergence", "1.0*keep-close")
    assert (settings.optimizer.lr, settings.align.epochs, settings.optimizer.accumulate) == (
        5e-5,
        1.0,
        2,
    )
    _, text = options("wordot-text", "sinkhorn")
    assert (text.cost, text.epsilon, text.debias, text.scope) == ("euclidean", 0.05, True, "batch")
    _, cao = options("l2-cao", "keep-close")
    assert (cao.kind, cao.reduction) == ("hidden", "mse")
    settings, strong = options("contrastive-strong", "contrastive")
    assert (strong.strength, strong.temperature, strong.projector) == ("strong", 0.1, 128)
    assert settings.align.steps == 100_000
    _, norm = options("contrastive-strong", "keep-close")
    assert norm.kind == "parameters"


PARTS = ("mlm", "tlm")
"""Objectives that read no words."""


@pytest.mark.parametrize("name", sorted(OBJECTIVES - set(PARTS)))
def test_the_order_of_words_does_not_matter(name: str, registry: Registry) -> None:
    """Whole words change places, with their sub-words, links and weights: nobody reads places."""
    entry = registry.find("objective", name)
    torch.manual_seed(0)
    objective = entry.load()(entry.options(), 8)
    pair = example_pair(objective.views, 8)
    before = copy.deepcopy(objective)(pair).value.item()
    order = Sides(_orders(pair.source), _orders(pair.pivot))
    views = dict(pair.views)
    for view in (Reference, Momentum):
        if view in views:
            views[view] = Sides(
                _reordered(views[view].source, order.source),
                _reordered(views[view].pivot, order.pivot),
            )
    if Idf in views:
        views[Idf] = Sides(
            _reordered_weights(views[Idf].source, order.source),
            _reordered_weights(views[Idf].pivot, order.pivot),
        )
    if Links in views:
        views[Links] = torch.tensor(
            [
                (r, order.source[r].index(i), order.pivot[r].index(j))
                for r, i, j in pair[Links].tolist()
            ]
        )
    changed = replace(
        pair,
        source=_reordered(pair.source, order.source),
        pivot=_reordered(pair.pivot, order.pivot),
        views=views,
    )
    assert objective(changed).value.item() == pytest.approx(before, abs=1e-5)


def _orders(encoded: Any) -> Any:
    """For each row, which old word comes to each place: the other way round."""
    return [[*range(count)][::-1] for count in (encoded.word_index.amax(1) + 1).tolist()]


def _reordered_weights(weights: Any, orders: Any) -> Any:
    changed = weights.clone()
    for row, order in enumerate(orders):
        changed[row, : len(order)] = weights[row, order]
    return changed


def _reordered(encoded: Any, orders: Any) -> Any:
    if not encoded.tokens:
        return encoded
    layer, states = next(iter(encoded.tokens.items()))
    tokens, index = states.detach().clone(), encoded.word_index.clone()
    for row, order in enumerate(orders):
        old = encoded.word_index[row].tolist()
        places = [t for word in order for t, own in enumerate(old) if own == word]
        words = [new for new, word in enumerate(order) for own in old if own == word]
        tokens[row, 1 : 1 + len(places)] = states[row, places].detach()
        index[row, 1 : 1 + len(places)] = torch.tensor(words)
    return Encoded({layer: tokens}, encoded.mask, index)
