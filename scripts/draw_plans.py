"""Draw the plans of every transport problem on one sentence pair of the embedded corpus: docs/figures/plans.png.

    python scripts/draw_plans.py [--line 10] [--to docs/figures/plans.png]

Needs the extra ``plot``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from otx.ot.costs.ground import cosine
from otx.ot.costs.transforms import equidistant, with_null
from otx.ot.problems.masses import uniform
from otx.ot.solvers.exact import exact
from otx.ot.solvers.fused_gromov import fused_gromov
from otx.ot.solvers.partial import partial
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.unbalanced import unbalanced
from otx_encoders import EncoderOptions
from otx_encoders.mini import MiniEncoder

SAMPLE = Path(__file__).parents[1] / "plugins" / "otx_corpora" / "sample"


def words_of(line: int) -> tuple[list[str], list[str], Tensor, Tensor]:
    """English and German words of a held-out pair and their vectors ``[1, N, D]`` and ``[1, M, D]``."""
    encoder = MiniEncoder("mini", EncoderOptions())
    encoder.module.eval()
    texts = [
        (SAMPLE / f"heldout.tok.{side}.txt").read_text(encoding="utf-8").splitlines()[line - 1]
        for side in ("en", "de")
    ]
    vectors = []
    with torch.no_grad():
        for text in texts:
            batch = encoder.collate(encoder.tokenise([text], pretokenised=True))
            vectors.append(encoder.encode(batch, (-1,)).words(-1, "last")[0].float())
    return texts[0].split(), texts[1].split(), vectors[0], vectors[1]


def plans(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """A title and a plan ``[N, M]`` (with a null word, ``[N, M + 1]``) for every kind of problem."""
    cost = cosine(x, y)
    first, second = (torch.ones(side.shape[:2], dtype=torch.bool) for side in (x, y))
    a, b = uniform(first), uniform(second)
    null = with_null(cost, first, b, cosine(x, equidistant(y, second)[:, None])[:, :, 0])
    inner = cosine(x, x), cosine(y, y)
    kinds: dict[str, Callable[[], object]] = {
        "exact": lambda: exact(cost, a, b),
        "sinkhorn, epsilon .02": lambda: sinkhorn(cost, a, b, epsilon=0.02),
        "sinkhorn, epsilon .1": lambda: sinkhorn(cost, a, b, epsilon=0.1),
        "unbalanced, tau .5": lambda: unbalanced(cost, a, b, epsilon=0.02, tau=0.5),
        "semi-relaxed, tau (inf, .1)": lambda: unbalanced(
            cost, a, b, epsilon=0.02, tau=(math.inf, 0.1)
        ),
        "partial, mass .6": lambda: partial(cost, a, b, epsilon=0.02, mass=0.6),
        "null word": lambda: partial(null.cost, a, null.b, epsilon=0.02, mass=1.0),
        "fused Gromov, alpha .5": lambda: fused_gromov(cost, *inner, a, b, epsilon=0.02, alpha=0.5),
    }
    return {title: solve().plan[0] for title, solve in kinds.items()}  # type: ignore[attr-defined]


def draw(line: int, target: Path) -> None:
    """Eight heat maps, each on a scale of its own."""
    english, german, x, y = words_of(line)
    found = plans(x, y)
    figure, axes = plt.subplots(2, 4, figsize=(18, 10), layout="constrained")
    for axis, (title, plan) in zip(axes.flat, found.items(), strict=True):
        names = german + ["(nothing)"] * (plan.shape[1] - len(german))
        axis.imshow(plan, cmap="Blues", vmin=0)
        axis.set_title(f"{title}; mass {plan.sum():.2f}", fontsize=12)
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=9)
        axis.set_yticks(range(len(english)), english, fontsize=9)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=70)


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--line", type=int, default=10, help="of the held-out part, from 1")
    parser.add_argument("--to", type=Path, default=Path("docs/figures/plans.png"))
    given = parser.parse_args()
    draw(given.line, given.to)


if __name__ == "__main__":
    main()
