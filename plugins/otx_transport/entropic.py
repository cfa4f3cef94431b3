"""What the transport objectives share: solved problems as a loss with terms and health."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.ot.costs.ground import COSTS
from otx.ot.problems.problem import BALANCED, Taus
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.point_cloud import transport_between_points
from otx.ot.transport import Transport
from otx.types import Loss
from otx_transport.measures import Measures
from otx_transport.options import EntropicOptions


def converged_loss(
    sides: Measures, options: EntropicOptions, *, tau: float | None, debias: bool
) -> Loss:
    """Entropic transport, or with ``debias`` its divergence, solved to convergence; ``tau`` None is balanced."""
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
    """Entropic transport between the two sides, as the options say; ``tau`` for the source and for the pivot."""
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
    """The mean of ``value [P]`` over problems, and what their solvers report.

    ``itself`` are the transports of each side to itself, of a divergence. Its terms are ``cross``,
    the mean value between the sides, and ``self``, minus half the mean values of each side with
    itself: they add up to the loss (``self`` nearing 0 means that a side's words draw together).
    Health: a problem's error and iterations are the largest of its transports, and it has converged
    when they all have; the mass is the cross plan's, of which ``expected_mass`` is expected.
    """
    solved = (cross, *itself)
    terms = {}
    if itself:
        halves = torch.stack([transport.value for transport in itself]).sum(0) / 2
        terms = {"cross": cross.value.mean().detach(), "self": -halves.mean().detach()}
    iterations = torch.stack([transport.iterations for transport in solved]).amax(0)
    errors = torch.stack([transport.marginal_error for transport in solved]).amax(0)
    converged = torch.stack([transport.converged for transport in solved]).all(0)
    health = {
        "mass": cross.mass.mean(),
        "expected_mass": torch.full_like(cross.mass.mean(), expected_mass),
        "converged": converged.float().mean(),
        "marginal_error": errors.mean(),
        "iterations": iterations.float().mean(),
    }
    return Loss(value.mean(), count=len(value), terms=terms, health=health, plan=cross.entries)
