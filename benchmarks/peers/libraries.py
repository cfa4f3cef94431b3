"""The published libraries, POT and GeomLoss, each called in its best way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import ot
import ot.batch
import torch
from geomloss import SamplesLoss
from torch import Tensor

from benchmarks.peers.answers import Answer, Peer, Solve, falling
from benchmarks.peers.problems import Problems

MOST = 20_000
"""Iterations that POT may take; its thresholds stop it long before."""
SCALINGS = (.5, .6, .7, .8, .85, .9, .93, .95, .96, .97, .98, .985, .99, .993, .995, .997, .998, .999)  # fmt: skip
OneProblem = Callable[[Tensor, Tensor, Tensor], Tensor]


def _looped(problems: Problems, x: Tensor, y: Tensor, one: OneProblem) -> Answer:
    """Solve one problem after the other, without its padding.

    The value is <P, C> with the plan held fixed, whose gradient is that of the regularised value.
    """
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


def _solve_batch(method: str) -> Solve:
    def solve(problems: Problems, x: Tensor, y: Tensor, epsilon: float, threshold: float) -> Answer:
        cost = problems.cost(x, y)
        # Detached: given a cost with a gradient, it records its iterations, which grad="envelope"
        # then does not use, in half the time again.
        plan = ot.batch.solve_batch(
            cost.detach(),
            epsilon,
            problems.a,
            problems.b,
            max_iter=MOST,
            tol=threshold,
            method=method,
        ).plan
        return Answer((plan * cost).sum(), lambda: plan)

    return solve


def _emd(problems: Problems, x: Tensor, y: Tensor, epsilon: float, knob: float) -> Answer:
    def one(cost: Tensor, a: Tensor, b: Tensor) -> Tensor:
        # In float64: float32 masses do not sum to the same on both sides, and the simplex minds.
        a, b = (mass.new_full(mass.shape, 1 / len(mass), dtype=torch.float64) for mass in (a, b))
        plan = ot.emd(a.numpy(), b.numpy(), cost.double().numpy())
        return torch.from_numpy(plan)

    return _looped(problems, x, y, one)


def _geomloss(problems: Problems, x: Tensor, y: Tensor, epsilon: float, scaling: float) -> Answer:
    # Of the unit sphere. The box that GeomLoss would draw is wider, which costs iterations.
    return _samples_loss(problems, x, y, epsilon, scaling, diameter=2.0)


def _geomloss_held(
    problems: Problems, x: Tensor, y: Tensor, epsilon: float, iterations: float
) -> Answer:
    # A schedule from barely above epsilon, in so many steps: the only way to make it converge.
    return _samples_loss(
        problems,
        x,
        y,
        epsilon,
        math.exp(-1e-6 / iterations),
        diameter=epsilon**0.5 * math.exp(1e-6),
    )


def _samples_loss(
    problems: Problems, x: Tensor, y: Tensor, epsilon: float, scaling: float, diameter: float
) -> Answer:
    def costs() -> Iterator[Tensor]:
        # What GeomLoss asks for, in its order: it differentiates each potential by its own side.
        yield problems.cost(x, y.detach())
        yield problems.cost(x.detach(), y).mT

    # Costs come ready, so the points' only use is to be counted.
    a, b = problems.a, problems.b
    points = a.new_zeros((*a.shape, 1)), b.new_zeros((*b.shape, 1))

    def run(potentials: bool) -> Tensor | tuple[Tensor, Tensor]:
        matrices = costs()
        loss = SamplesLoss(
            "sinkhorn", p=2, blur=epsilon**0.5, scaling=scaling, diameter=diameter, debias=False,
            potentials=potentials, cost=lambda *_: next(matrices), backend="tensorized",
        )  # fmt: skip
        return loss(a, points[0], b, points[1])

    def plan() -> Tensor:
        with torch.no_grad():
            f, g = run(potentials=True)
            cost = problems.cost(x, y).double()
            exponent = (f.double()[:, :, None] + g.double()[:, None, :] - cost) / epsilon
            return exponent.exp() * a[:, :, None] * b[:, None, :]

    return Answer(run(potentials=False).sum(), plan)


POT_LOOP = Peer(
    "POT loop",
    "ot.bregman.sinkhorn_log, torch backend, one problem at a time, stopThr searched",
    "stopThr",
    falling(1e-3, 1.3, 27),
    _sinkhorn_log,
    loop=True,
)
POT_BATCH = Peer(
    "POT batch",
    "ot.batch.solve_batch(method='log_sinkhorn'), padding with mass 0, tol searched",
    "tol",
    falling(1e-3, 1.3, 27),
    _solve_batch("log_sinkhorn"),
)
POT_KERNEL = Peer(
    "POT kernel",
    "ot.batch.solve_batch(method='sinkhorn'), not in the log domain, else as POT batch",
    "tol",
    falling(1e-3, 1.3, 27),
    _solve_batch("sinkhorn"),
    cpu=True,  # it makes its first potentials there, wherever the costs are
)
GEOMLOSS = Peer(
    "GeomLoss",
    "SamplesLoss(debias=False), blur = sqrt(epsilon), scaling searched up to .999",
    "scaling",
    SCALINGS,
    _geomloss,
)
GEOMLOSS_HELD = Peer(
    "GeomLoss held",
    "the same without its annealing: diameter barely above blur, iterations searched",
    "iterations",
    tuple(10 * 1.3**step for step in range(30)),
    _geomloss_held,
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
