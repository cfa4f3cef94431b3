"""The transport plan of one sentence pair: the plan that a run's own objective returns, or a balanced cosine plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otx.alignment.data import split_corpora
from otx.alignment.views import PairEncoder
from otx.config.schema import EncoderSettings
from otx.config.settings import settings_from
from otx.data.cache import cache_folder
from otx.data.inference import reading
from otx.data.tokenised import tokenise
from otx.data.words import split_words, splits_everywhere
from otx.errors import DataError
from otx.interfaces import Corpus, Encoder
from otx.ot.costs.ground import cosine
from otx.ot.problems.masses import uniform
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.plugin_host.attribution import Owner, owner_of
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.heatmap import Heatmap
from otx.training import checkpoint
from otx.training.factories import make_objective, objective_terms, open_encoder
from otx.training.run_encoder import run_encoder_reference
from otx.training.session import Session
from otx.training.weighted_objective import WeightedSum
from otx.types import EncodedPair, Links, Pair, Problem, Sides, TokenRow
from otx.views import PairBatch, ViewContext
from otx.views.context import TRAINED

EPSILON = 0.05
"""Regularisation of the balanced cosine plan, in units of 1 - cos."""


@dataclass(slots=True)
class TypedPair(Corpus):
    """A corpus of one pair that a user typed."""

    source: str
    pivot: str
    name: str = "the pair"
    source_language: str = "und"
    pivot_language: str = "en"
    pretokenised: bool = False

    def __len__(self) -> int:
        """Return 1."""
        return 1

    def __getitem__(self, index: int) -> Pair:
        """Return the pair."""
        if index not in (0, -1):
            raise IndexError(index)
        return Pair(self.source, self.pivot, 1)

    def fingerprint(self) -> str:
        """Return the text itself."""
        return f"{self.source}\n{self.pivot}"

    def problems(self) -> Sequence[Problem]:
        """Return no problems."""
        return []

    def links(self) -> Sequence[Links] | None:
        """Return no links."""
        return None


def model_plan(session: Session, model: str, pair: TypedPair, epsilon: float) -> list[Heatmap]:
    """Compute the balanced cosine plan of an encoder that belongs to no run.

    Args:
        session: Hidden layer, word vector and options of the encoder, and the plugins.
        model: The encoder.
        pair: The two sentences.
        epsilon: Entropic regularisation, in units of 1 - cos.

    Returns:
        One map.

    Raises:
        DataError: If a sentence has no words.
    """
    encoder = open_encoder(model, session.registry, session.settings.option_tables)
    return [balanced_plan(encoder, pair, session.settings.encoder, epsilon, title="plan")]


def run_plans(
    session: Session, run: RunFolder, pair: TypedPair, *, epsilon: float | None = None
) -> list[Heatmap]:
    """Compute the plans of a run's initial and aligned encoder.

    Args:
        session: Hidden layer and word vector of the balanced cosine plan, options of the encoder, and the plugins.
        run: A finished run.
        pair: The two sentences.
        epsilon: Regularisation of a balanced cosine plan to compute instead of the objective's own; None computes the
            plan that the first of the run's objectives with a plan returns, with the run's settings, and a balanced
            cosine plan if none returns any.

    Returns:
        The map before and the map after alignment; ``Heatmap.plan`` says which plan they show.

    Raises:
        UsageError: If the run has no encoder of its own.
        DataError: If a sentence has no words.
    """
    registry, options = session.registry, session.settings.option_tables
    after = open_encoder(run_encoder_reference(run, registry), registry, options)
    before = open_encoder(run.record["model"], registry, options)
    encoders = {"before": before, f"after {run.name}": after}
    if epsilon is None:
        recorded = settings_from(run.record["settings"], f"run {run.name}")
        maps = _objective_plans(replace(session, settings=recorded), run, encoders, pair)
        if maps:
            return maps
        names = ", ".join(term.name for term in objective_terms(recorded.align))
        reason = f"run {run.name}'s objectives ({names}) return no plan"
    else:
        reason = "as --epsilon or --layer asks"
    return [
        balanced_plan(
            encoder,
            pair,
            session.settings.encoder,
            epsilon or EPSILON,
            title=title,
            reason=reason,
        )
        for title, encoder in encoders.items()
    ]


def balanced_plan(
    encoder: Encoder,
    pair: TypedPair,
    settings: EncoderSettings,
    epsilon: float,
    *,
    title: str,
    reason: str = "",
) -> Heatmap:
    """Compute the balanced entropic plan between the words of two sentences: cosine cost, uniform masses.

    Args:
        encoder: The encoder.
        pair: The two sentences; words beyond the encoder's length limit are left out.
        settings: Hidden layer and word vector.
        epsilon: Entropic regularisation, in units of 1 - cos.
        title: The map's title.
        reason: Why this plan is shown.

    Returns:
        The map; entry (i, j) is the share of word i's mass that goes to word j, so that rows sum to 1.

    Raises:
        DataError: If a sentence has no words.
    """
    layer, vector = settings.layer, settings.word_vector
    sides, words = [], []
    with reading(encoder):
        for text in (pair.source, pair.pivot):
            batch = encoder.collate(encoder.tokenise([text]))
            vectors, mask = encoder.encode(batch, (layer,)).words(layer, vector)
            sides.append(vectors[:, mask[0]].float())
            words.append(_word_names(text, mask[0].nonzero()[:, 0].tolist()))
    _require_words(words)
    x, y = sides
    a, b = (uniform(torch.ones(1, len(side), dtype=torch.bool, device=x.device)) for side in words)
    plan = sinkhorn(cosine(x, y), a, b, epsilon=epsilon).plan[0]
    shown = f"balanced cosine plan, epsilon {epsilon:g}" + (f": {reason}" if reason else "")
    return Heatmap(
        title, tuple(words[0]), tuple(words[1]), (plan * len(words[0])).tolist(), plan=shown
    )


def _objective_plans(
    session: Session, run: RunFolder, encoders: dict[str, Encoder], pair: TypedPair
) -> list[Heatmap]:
    """Return the plans of the run's first objective that returns one; none if no objective does."""
    settings, reporter = session.settings, session.reporter
    before, after = encoders.values()
    options = settings.option_tables
    objective = make_objective(
        objective_terms(settings.align), session.registry, options, before.dimension
    )
    objective.eval()
    for number, term in enumerate(objective.terms):
        part: Any = objective.parts[number]
        tokenised = []
        if any(view.reads_corpora for view in part.views):
            first, *others = split_corpora(settings.data, session.registry, options).parts
            limit = min(before.max_length, settings.encoder.max_length)
            tokenised = [tokenise(first.train, before, cache_folder(), max_length=limit)]
            if others:
                reporter.notice(f"word weights are those of {first.train.name}")
        named = {TRAINED: before, "reference": before, "momentum": before, "teacher": before}
        if settings.align.teacher is not None and any(
            "teacher" in view.auxiliary(settings.align) for view in part.views
        ):
            named["teacher"] = open_encoder(settings.align.teacher, session.registry, options)
        maps = []
        for title, encoder in encoders.items():
            if encoder is after:
                _restore(objective, run, reporter)
            context = ViewContext(
                encoders=named | {TRAINED: encoder, "momentum": encoder},
                align=settings.align,
                word_vector=settings.encoder.word_vector,
                corpora=[pair],
                tokenised=tokenised,
                given_links=lambda: [None],
            )
            heatmap = _plan(part, term.name, encoder, context, pair, title)
            if heatmap is None:
                break
            maps.append(heatmap)
        if maps:
            return maps
    return []


def _restore(objective: WeightedSum, run: RunFolder, reporter: Reporter) -> None:
    """Load what the objectives themselves learnt, if they have parameters or buffers."""
    if not objective.state_dict():
        return
    newest, _ = checkpoint.newest(run.checkpoints)
    if newest is None:
        reporter.notice(f"run {run.name} has no checkpoint: the objective's parameters are initial")
        return
    checkpoint.load(newest, {"objective": objective}, None)


def _plan(
    part: Any, name: str, encoder: Encoder, context: ViewContext, pair: TypedPair, title: str
) -> Heatmap | None:
    rows: Sides[Sequence[TokenRow]] = Sides(
        encoder.tokenise([pair.source]), encoder.tokenise([pair.pivot])
    )
    batch = PairBatch(
        0, np.zeros(1, int), rows, encoder.collate(rows.source), encoder.collate(rows.pivot)
    )
    with reading(encoder):
        encoded = PairEncoder(part.views, context)(batch)
        _require_words(
            [[w for w in row.word_index if w >= 0] for row in (*rows.source, *rows.pivot)]
        )
        loss = part(encoded)
        if loss.plan is None:
            return None
        plan = loss.plan()
    sides = _sides(plan, part, name, encoder, encoded, batch, pair)
    (source, kept_rows), (pivot, kept_columns) = sides.source, sides.pivot
    values = plan[0][kept_rows][:, kept_columns] * len(source)
    return Heatmap(
        title, tuple(source), tuple(pivot), values.tolist(), plan=f"plan of the objective {name}"
    )


Named = tuple[list[str], list[int]]
"""Names of the units of a plan's side, and which of its rows or columns they are."""


def _sides(
    plan: Tensor,
    part: Any,
    name: str,
    encoder: Encoder,
    encoded: EncodedPair,
    batch: PairBatch,
    pair: TypedPair,
) -> Sides[Named]:
    """Name the rows and columns of a plan: words, or sub-words, with or without slots for padding."""
    if plan.ndim == 3 and plan.shape[0] == 1:
        source = _units(
            encoder, encoded.source.word_index[0], batch.rows.source[0].ids, pair.source
        )
        pivot = _units(encoder, encoded.pivot.word_index[0], batch.rows.pivot[0].ids, pair.pivot)
        for one, other in zip(source, pivot, strict=True):
            if plan.shape[1:] == (one[1], other[1]):
                return Sides(one[0], other[0])
    owner = owner_of(part) or Owner("objective", name)
    raise owner.fault(
        f"its plan has shape {list(plan.shape)}, which fits neither the words nor the sub-words of the pair",
        "return a plan [pairs, source units, pivot units]",
    )


def _units(
    encoder: Encoder, index: Tensor, ids: Sequence[int], text: str
) -> list[tuple[Named, int]]:
    """Return each way to name a side, with the number of rows that it expects."""
    slots = int(index.max()) + 1
    words = sorted({int(word) for word in index if word >= 0})
    places = [place for place, word in enumerate(index.tolist()) if word >= 0]
    pieces = encoder.tokenizer.convert_ids_to_tokens([ids[place] for place in places])
    names = _word_names(text, words)
    return [
        ((names, words), slots),
        ((names, [*range(len(words))]), len(words)),
        ((pieces, places), len(index)),
        ((pieces, [*range(len(places))]), len(places)),
    ]


def _require_words(sides: Sequence[Sequence[object]]) -> None:
    if not all(sides):
        raise DataError("a sentence has no words", "give two sentences in quotes")


def _word_names(text: str, numbers: Sequence[int]) -> list[str]:
    """Return the words of these numbers; their numbers alone where words are the tokenizer's sub-words."""
    if not splits_everywhere(text):
        return [f"#{number}" for number in numbers]
    spans = split_words(text, pretokenised=False)
    return [text[slice(*spans[number])] for number in numbers]
