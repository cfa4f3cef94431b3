"""The published libraries: POT's solvers and GeomLoss, each called to its own advantage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import ot
import ot.batch
import torch
from geomloss import SamplesLoss
from torch import Tensor

from benchmarks.peers.answers import Answer, Peer, falling
from benchmarks.peers.problems import Problems

MOST = 20_000
"""Iterations that POT may take; its thresholds stop it long before."""
SCALINGS = (.5, .6, .7, .8, .85, .9, .93, .95, .96, .97, .98, .985, .99, .993, .995, .997, .998, .999)  # fmt: skip
OneProblem = Callable[[Tensor, Tensor, Tensor], Tensor]


def _looped(problems: Problems, x: Tensor, y: Tensor, one: OneProblem) -> Answer:
    """One problem after the other, without its padding; the plan is the slope by the cost."""
    cost = problems.cost(x, y)
    bare, plans, values = cost.detach(), [], []
    for index, (n, m) in enumerate(zip(*map(Tensor.tolist, problems.lengths()), strict=True)):
        plans.append(one(bare[index, :n, :m], problems.a[index, :n], problems.b[index, :m]))
        values.append((plans[-1] * cost[index, :n, :m]).sum())

    def stacked() -> Tensor:
        whole = torch.zeros(bare.shape, dtype=plans[0].dtype, device=bare.device)
        for index, plan in enumerate(plans):
            whole[index, : plan.shape[0], : plan.shape[1]] = plan
        return whole

    return Answer(torch.stack(values).sum(), stacked)


def _sinkhorn_log(
    problems: Problems, x: Tensor, y: Tensor, epsilon: float, threshold: float
) -> Answer:
    def one(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return ot.bregman.sinkhorn_log(
            a, b, cost, epsilon, numItermax=MOST, stopThr=threshold, warn=False
        )

    return _looped(problems, x, y, one)


def _solve_batch(
    problems: Problems, x: Tensor, y: Tensor, epsilon: float, threshold: float
) -> Answer:
    cost = problems.cost(x, y)
    result = ot.batch.solve_batch(
        cost, epsilon, problems.a, problems.b, max_iter=MOST, tol=threshold, method="log_sinkhorn"
    )
    return Answer(result.value.sum(), lambda: result.plan)


def _emd(problems: Problems, x: Tensor, y: Tensor, epsilon: float, knob: float) -> Answer:
    def one(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # In float64: float32 masses do not sum to the same on both sides, and the simplex minds.
        a, b = (mass.new_full(mass.shape, 1 / len(mass), dtype=torch.float64) for mass in (a, b))
        plan = ot.emd(a.numpy(), b.numpy(), cost.double().numpy())
        return torch.from_numpy(plan)

    return _looped(problems, x, y, one)


def _geomloss(problems: Problems, x: Tensor, y: Tensor, epsilon: float, scaling: float) -> Answer:
    def costs() -> Iterator[Tensor]:
        # What GeomLoss asks for, in its order: it differentiates each potential by its own side.
        yield problems.cost(x, y.detach())
        yield problems.cost(x.detach(), y).mT

    def loss(potentials: bool) -> SamplesLoss:
        matrices = costs()
        return SamplesLoss(
            "sinkhorn", p=2, blur=epsilon**0.5, scaling=scaling, debias=False, backend="tensorized",
            potentials=potentials, cost=lambda *_: next(matrices),
            diameter=2.0,  # of the unit sphere; the box that it would draw is wider: more iterations
        )  # fmt: skip

    # Costs come ready, so the points' only use is to be counted.
    points = tuple(mass.new_zeros((*mass.shape, 1)) for mass in (problems.a, problems.b))

    def plan() -> Tensor:
        with torch.no_grad():
            f, g = loss(True)(problems.a, points[0], problems.b, points[1])
            exponent = (f[:, :, None] + g[:, None, :] - problems.cost(x, y)) / epsilon
            return exponent.exp() * problems.a[:, :, None] * problems.b[:, None, :]

    return Answer(loss(False)(problems.a, points[0], problems.b, points[1]).sum(), plan)


POT_LOOP = Peer(
    "POT loop",
    "ot.bregman.sinkhorn_log, torch backend, one problem at a time, stopThr searched",
    "stopThr",
    falling(1e-3, 1.3, 36),
    _sinkhorn_log,
    loop=True,
)
POT_BATCH = Peer(
    "POT batch",
    "ot.batch.solve_batch(method='log_sinkhorn'), padding with mass 0, tol searched",
    "tol",
    falling(1e-3, 1.3, 36),
    _solve_batch,
)
GEOMLOSS = Peer(
    "GeomLoss",
    "SamplesLoss(debias=False), blur = sqrt(epsilon), scaling searched up to .999",
    "scaling",
    SCALINGS,
    _geomloss,
)
EMD = Peer(
    "emd loop",
    "ot.emd: exact, without epsilon, one problem at a time in float64",
    "nothing",
    (0.0,),
    _emd,
    loop=True,
    cpu=True,
)
