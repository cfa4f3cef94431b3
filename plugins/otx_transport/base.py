"""The common part of transport objectives: measures of a batch, solved problems, and their loss with health numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from otx.ot.costs.ground import COSTS
from otx.ot.problems.masses import by_norm, from_weights, uniform
from otx.ot.problems.problem import BALANCED, Taus
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.point_cloud import transport_between_points
from otx.ot.transport import Transport
from otx.types import Encoded, EncodedPair, Loss, Scope
from otx.views import Idf, States, View
from otx_transport.options import EntropicOptions, MeasureOptions, PointOptions

Options = TypeVar("Options", bound=MeasureOptions)


class TransportObjective(nn.Module, Generic[Options]):
    """Base class of objectives that compare the two measures of a batch.

    Args:
        options: Options of the objective, which choose points, masses and problems.
        dimension: Width D of the encoder's states.

    Attributes:
        options: The options.
        views: The views that ``measures`` reads.
        scope: ``mean`` over the pairs if every pair is a problem, otherwise ``batch``.
    """

    def __init__(self, options: Options, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views: frozenset[View[Any]] = measure_views(options)
        self.scope: Scope = "mean" if options.scope == "sentence" else "batch"


@dataclass(frozen=True, eq=False)
class Measures:
    """The two sides of P transport problems: one problem per pair, or one for a pooled batch.

    Attributes:
        x: Points of the source ``[P, N, D]``.
        y: Points of the pivot ``[P, M, D]``.
        a: Masses of the source ``[P, N]``, which sum to 1 in every problem; 0 marks padding.
        b: Masses of the pivot ``[P, M]``, likewise.
    """

    x: Tensor
    y: Tensor
    a: Tensor
    b: Tensor


def measure_views(options: PointOptions) -> frozenset[View[Any]]:
    """Return the views that ``measures`` and ``separate_measures`` read.

    Args:
        options: Layer and masses of the points.

    Example:
        >>> sorted(view.label for view in measure_views(PointOptions(marginals="idf")))
        ['idf', 'states']
    """
    states = frozenset[View[Any]]({States(options.layer)})
    return states | {Idf()} if options.marginals == "idf" else states


def measures(pair: EncodedPair, options: MeasureOptions) -> Measures:
    """Return the measures of a batch: one problem per pair, or one of all points, as ``options.scope`` says.

    Args:
        pair: The batch, with the views of ``measure_views``.
        options: Points, masses and scope.

    Raises:
        ProblemError: If a side has no words, naming the problem.
    """
    return _both_sides(pair, options, pooled=options.scope == "batch")


def separate_measures(pair: EncodedPair, options: PointOptions) -> Measures:
    """Return the measures of a batch with one problem per pair.

    Args:
        pair: The batch, with the views of ``measure_views``.
        options: Points and masses.

    Raises:
        ProblemError: If a side has no words, naming the problem.
    """
    return _both_sides(pair, options, pooled=False)


def converged_loss(
    sides: Measures, options: EntropicOptions, *, tau: float | None, debias: bool
) -> Loss:
    """Solve entropic transport to convergence, and return its mean value or that of its divergence.

    Args:
        sides: The two measures of every problem.
        options: Cost, regularisation and stopping of the solver.
        tau: Price of missing mass on both sides, in the unit of the cost; None is balanced.
        debias: Subtract half of the transport of each side to itself.

    Returns:
        The loss of ``mean_loss``.
    """
    if not debias:
        cross = transported(sides, options, BALANCED if tau is None else (tau, tau))
        return mean_loss(cross.value, cross)
    solved = divergence(
        sides.x,
        sides.y,
        sides.a,
        sides.b,
        cost=COSTS[options.cost],
        epsilon=options.epsilon,
        tau=tau,
        tolerance=options.tolerance,
        max_iterations=options.max_iterations,
    )
    return mean_loss(solved.value, solved.cross, solved.left, solved.right)


def transported(sides: Measures, options: EntropicOptions, tau: Taus = BALANCED) -> Transport:
    """Solve entropic transport between the two sides of every problem.

    Args:
        sides: The two measures.
        options: Cost, regularisation and stopping of the solver.
        tau: Price of missing mass on the source and on the pivot, in the unit of the cost.

    Returns:
        Values, plans and convergence of the problems.
    """
    return transport_between_points(
        sides.x,
        sides.y,
        sides.a,
        sides.b,
        cost=COSTS[options.cost],
        epsilon=options.epsilon,
        tau=tau,
        tolerance=options.tolerance,
        max_iterations=options.max_iterations,
    )


def mean_loss(
    value: Tensor, cross: Transport, *itself: Transport, expected_mass: float = 1.0
) -> Loss:
    """Return the mean value over problems, with the reports of their solvers.

    Args:
        value: Values of the problems ``[P]``.
        cross: Transport between the sides.
        *itself: Transports of each side to itself, of a divergence.
        expected_mass: Mass that the cross plan should have.

    Returns:
        A loss with the cross plan. Its terms, for a divergence, are ``cross``, the mean value between the sides, and
        ``self``, minus half of the mean values of each side with itself: they add up to the loss, and ``self`` near 0
        means that the words of a side contract. Its health numbers are ``marginal_error`` and ``iterations``, of each
        problem the largest of its transports, ``converged``, the share of problems whose transports all converged,
        and ``mass`` with ``expected_mass``, of the cross plan.
    """
    terms = {}
    if itself:
        between = cross.value.detach().mean()
        terms = {"cross": between, "self": value.detach().mean() - between}
    iterations, errors, converged = cross.iterations, cross.marginal_error, cross.converged
    for transport in itself:
        iterations = torch.maximum(iterations, transport.iterations)
        errors = torch.maximum(errors, transport.marginal_error)
        converged = converged & transport.converged
    mass = cross.mass.mean()
    health = {
        "mass": mass,
        "expected_mass": torch.full_like(mass, expected_mass),
        "converged": converged.float().mean(),
        "marginal_error": errors.mean(),
        "iterations": iterations.float().mean(),
    }
    return Loss(value.mean(), count=len(value), terms=terms, health=health, plan=cross.entries)


def _both_sides(pair: EncodedPair, options: PointOptions, *, pooled: bool) -> Measures:
    idf = pair[Idf] if options.marginals == "idf" else None
    x, a = _side(pair.source, None if idf is None else idf.source, options, pooled=pooled)
    y, b = _side(pair.pivot, None if idf is None else idf.pivot, options, pooled=pooled)
    return Measures(x, y, a, b)


def _side(
    encoded: Encoded, idf: Tensor | None, options: PointOptions, *, pooled: bool
) -> tuple[Tensor, Tensor]:
    # Where the host knows that there are words, nothing needs to wait for the device.
    counts = encoded.word_counts if options.unit == "words" else None
    known = counts is not None and (sum(counts) if pooled else min(counts)) > 0
    if options.unit == "words":
        points, mask = encoded.words(options.layer, options.word_vector)
    else:
        points, mask = encoded.subwords(options.layer)
    if pooled:
        place = _positions(mask, sum(counts) if counts is not None else None)
        points = points.flatten(0, 1).index_select(0, place.clamp_min(0)).unsqueeze(0)
        idf = None if idf is None else idf.flatten().index_select(0, place.clamp_min(0))[None]
        mask = (place >= 0)[None]
    checked = not known
    if options.marginals == "norm":
        return points, by_norm(points, mask, checked=checked)
    if idf is not None:
        return points, from_weights(idf, mask, checked=checked)
    return points, uniform(mask, checked=checked)


def _positions(mask: Tensor, count: int | None) -> Tensor:
    """Return the positions of the real words in the flattened ``mask``: ``count`` of them, or fewer and then -1."""
    if count is None:
        return mask.flatten().nonzero()[:, 0]
    return torch.nonzero_static(mask.flatten(), size=count, fill_value=-1)[:, 0]
