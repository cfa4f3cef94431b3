import gzip
import json
from pathlib import Path

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from otx_tasks.extraction import EXTRACTIONS
from otx_tasks.options import WordAlignmentOptions

OPTIONS = WordAlignmentOptions()


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("argmax", "simalign_argmax"),
        ("itermax", "simalign_itermax"),
        ("softmax", "awesome_softmax_0.001"),
    ],
)
def test_what_the_reference_aligners_extract(shared_data: Path, name: str, column: str) -> None:
    packed = shared_data / "expected" / "links" / "links.json.gz"
    for pair in json.loads(gzip.decompress(packed.read_bytes())):
        if pair[column] is None:
            continue
        x, y = (torch.tensor(pair[side]) for side in ("source", "target"))
        assert EXTRACTIONS[name](x, y, OPTIONS) == {(i, j) for i, j in pair[column]}


@pytest.mark.parametrize("name", [*EXTRACTIONS])
def test_the_same_words_in_another_order(name: str) -> None:
    x = torch.randn(7, 16, generator=torch.Generator().manual_seed(1)) * 3
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    wanted = {(int(i), j) for j, i in enumerate(order)}
    assert EXTRACTIONS[name](x, x[order], OPTIONS) == wanted


def test_the_plan_follows_the_optimal_assignment() -> None:
    """With equal masses and little regularisation the plan is the cheapest one-to-one assignment."""
    options = WordAlignmentOptions(extraction="plan", epsilon=0.002)
    for seed in range(20):
        x, y = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(seed))
        unit = torch.nn.functional.normalize
        rows, columns = linear_sum_assignment(1 - unit(x, dim=1) @ unit(y, dim=1).T)
        wanted = {(int(i), int(j)) for i, j in zip(rows, columns, strict=True)}
        assert EXTRACTIONS["plan"](x, y, options) == wanted
