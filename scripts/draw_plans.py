"""Draw the plan of every transport problem on one sentence pair of the embedded corpus: docs/figures/plans.png.

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

from otx.ot import (
    add_null_word,
    cosine,
    equidistant_direction,
    exact_transport,
    fused_gromov,
    partial_transport,
    sinkhorn,
    unbalanced,
    uniform,
)
from otx_encoders.mini import MiniEncoder
from otx_encoders.options import EncoderOptions

SAMPLE = Path(__file__).parents[1] / "plugins" / "otx_corpora" / "sample"
"""Folder of the embedded corpus."""


def words_of(line: int) -> tuple[list[str], list[str], Tensor, Tensor]:
    """Return the words of a held-out pair and their vectors.

    Args:
        line: Line of the held-out part, counted from 1.

    Returns:
        English words, German words, English vectors ``[1, N, D]`` and German vectors ``[1, M, D]``.
    """
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
    """Solve every kind of transport problem.

    Args:
        x: English word vectors ``[1, N, D]``.
        y: German word vectors ``[1, M, D]``.

    Returns:
        The plan ``[N, M]`` of each problem by its title; with a null word, ``[N, M + 1]``.
    """
    cost = cosine(x, y)
    first, second = (torch.ones(side.shape[:2], dtype=torch.bool) for side in (x, y))
    a, b = uniform(first), uniform(second)
    null = add_null_word(
        cost, first, b, price=cosine(x, equidistant_direction(y, second)[:, None])[:, :, 0]
    )
    kinds: dict[str, Callable[[], object]] = {
        "exact": lambda: exact_transport(cost, a, b),
        "sinkhorn, epsilon .02": lambda: sinkhorn(cost, a, b, epsilon=0.02),
        "sinkhorn, epsilon .1": lambda: sinkhorn(cost, a, b, epsilon=0.1),
        "unbalanced, tau .5": lambda: unbalanced(cost, a, b, epsilon=0.02, tau=0.5),
        "semi-relaxed, tau (inf, .1)": lambda: unbalanced(
            cost, a, b, epsilon=0.02, tau=(math.inf, 0.1)
        ),
        "partial, mass .6": lambda: partial_transport(cost, a, b, epsilon=0.02, mass=0.6),
        "null word": lambda: partial_transport(null.cost, a, null.b, epsilon=0.02, mass=1.0),
        "fused Gromov, alpha .5": lambda: fused_gromov(
            cost, a, b, distances_a=cosine(x, x), distances_b=cosine(y, y), epsilon=0.02, alpha=0.5
        ),
    }
    return {title: solve().plan[0] for title, solve in kinds.items()}  # type: ignore[attr-defined]


def draw(line: int, target: Path) -> None:
    """Draw eight heat maps, each with its own scale.

    Args:
        line: Line of the held-out part, counted from 1.
        target: File of the picture.
    """
    english, german, x, y = words_of(line)
    solutions = plans(x, y)
    figure, axes = plt.subplots(2, 4, figsize=(18, 10), layout="constrained")
    for axis, (title, plan) in zip(axes.flat, solutions.items(), strict=True):
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
    parser.add_argument("--line", type=int, default=10, help="line of the held-out part, from 1")
    parser.add_argument("--to", type=Path, default=Path("docs/figures/plans.png"))
    given = parser.parse_args()
    draw(given.line, given.to)


if __name__ == "__main__":
    main()
