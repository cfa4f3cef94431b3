"""Optimal transport on torch, compiled by numba on the CPU, for batches of small, ragged problems.

A problem has costs ``[B, N, M]`` and masses ``[B, N]`` and ``[B, M]`` that are 0 at padding. Every solver returns a
``Transport``: the value, differentiable, and the plan, potentials, iterations and convergence as data. Solvers never
warn and never print.

Example:
    >>> import torch
    >>> from otx.ot import cosine, sinkhorn, uniform
    >>> x, y = torch.randn(4, 7, 16), torch.randn(4, 9, 16, requires_grad=True)
    >>> a, b = uniform(torch.ones(4, 7, dtype=torch.bool)), uniform(torch.ones(4, 9, dtype=torch.bool))
    >>> result = sinkhorn(cosine(x, y), a, b, epsilon=0.1)
    >>> result.value.mean().backward()
    >>> result.plan.shape, bool(result.converged.all())
    (torch.Size([4, 7, 9]), True)
"""

from otx.ot.costs.ground import (
    COSTS,
    CostFunction,
    cosine,
    dot,
    euclidean,
    half_squared_euclidean,
    squared_euclidean,
)
from otx.ot.costs.transforms import (
    NullWordProblem,
    add_null_word,
    equidistant_direction,
    min_max_scale,
)
from otx.ot.precision import at_least_float32, no_autocast
from otx.ot.problems.masses import by_norm, from_weights, uniform
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem, Taus
from otx.ot.solvers.divergence import Divergence, divergence
from otx.ot.solvers.exact import exact_transport
from otx.ot.solvers.fused_gromov import fused_gromov
from otx.ot.solvers.geomloss import geomloss_divergence
from otx.ot.solvers.pairwise import pairwise_sinkhorn
from otx.ot.solvers.partial import partial_transport
from otx.ot.solvers.point_cloud import solve_points, transport_between_points
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.solve import solve
from otx.ot.solvers.unbalanced import unbalanced
from otx.ot.solvers.univariate import wasserstein_1d
from otx.ot.stopping import Stopping
from otx.ot.transport import Transport

__all__ = [
    "BALANCED",
    "COSTS",
    "CostFunction",
    "Divergence",
    "NullWordProblem",
    "PointCloudProblem",
    "Problem",
    "Stopping",
    "Taus",
    "Transport",
    "add_null_word",
    "at_least_float32",
    "by_norm",
    "cosine",
    "divergence",
    "dot",
    "equidistant_direction",
    "euclidean",
    "exact_transport",
    "from_weights",
    "fused_gromov",
    "geomloss_divergence",
    "half_squared_euclidean",
    "min_max_scale",
    "no_autocast",
    "pairwise_sinkhorn",
    "partial_transport",
    "sinkhorn",
    "solve",
    "solve_points",
    "squared_euclidean",
    "transport_between_points",
    "unbalanced",
    "uniform",
    "wasserstein_1d",
]
