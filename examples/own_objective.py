"""Align with an objective of your own, next to a registered one."""

from dataclasses import dataclass

from torch import nn
from torch.nn.functional import cosine_similarity

import otx
from otx.types import EncodedPair, Loss
from otx.views import Links, States


@dataclass(frozen=True)
class PullOptions:
    """Options of Pull: the run records them."""

    layer: int = -1


class Pull(nn.Module):
    """One minus the mean cosine of linked words."""

    scope = "mean"

    def __init__(self, options: PullOptions) -> None:
        super().__init__()
        self.options = options
        self.views = {States(layer=options.layer), Links()}

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair."""
        number, source, pivot = pair[Links].unbind(1)
        x, _ = pair.source.words(self.options.layer)
        y, _ = pair.pivot.words(self.options.layer)
        cosines = cosine_similarity(x[number, source].float(), y[number, pivot].float())
        return Loss(1 - cosines.sum() / max(len(cosines), 1), count=len(cosines))


def main() -> None:
    """Align with 1.0 * pull + 0.1 * sinkhorn."""
    run = otx.align(
        model="mini",
        corpus="sample:de",
        objective=[Pull(PullOptions()), "0.1*sinkhorn"],
        settings={"align.steps": 10, "data.batch_tokens": 512},
    )
    print(run)
    print(run.record["instances"])


if __name__ == "__main__":
    main()
