from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import skew

from otx.types import Score
from otx_tasks.probes.options import StructureOptions
from otx_tasks.probes.structure import StructureTask, counts_of, kernels, language_probe


def metrics(columns: dict[str, torch.Tensor]) -> dict[str, float]:
    sums = {name: float(column.sum()) for name, column in columns.items()}
    sums["n"] = float(len(next(iter(columns.values()))))
    found = {}
    for metric in StructureTask.info.metrics:
        try:
            found[metric.name] = float(metric.compute(sums))
        except KeyError:
            continue
    return found


def drawn(seed: int, rows: int = 40, width: int = 6) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)).double()


def test_cka_is_that_of_centred_kernels() -> None:
    x, y = drawn(1) + 3, drawn(2, width=4) - 1
    centring = np.eye(40) - 1 / 40
    one, other = (centring @ (z @ z.T).numpy() @ centring for z in (x, y))
    wanted = (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())
    assert metrics(kernels(x, y))["cka"] == pytest.approx(wanted)
    turned = x @ torch.linalg.qr(drawn(3, 6)).Q * 5 + 2
    assert metrics(kernels(x, turned))["cka"] == pytest.approx(1.0)
    assert metrics(kernels(x, x * 0))["cka"] == 0.0


def test_the_dimension_is_the_participation_ratio_of_eigenvalues() -> None:
    x = drawn(4) * torch.tensor([5.0, 3, 1, 1, 0.1, 0])
    values = np.linalg.eigvalsh(np.cov(x.numpy().T))
    found = metrics(kernels(x, x))["dimension"]
    assert found == pytest.approx(values.sum() ** 2 / (values**2).sum())
    line = torch.outer(torch.arange(9.0).double(), torch.ones(3).double())
    assert metrics(kernels(line, line))["dimension"] == pytest.approx(1.0)
    assert metrics(kernels(line * 0, line))["dimension"] == 0.0


def test_hubness_is_the_skewness_of_how_often_one_is_near() -> None:
    places = torch.tensor([[0, 1], [0, 2], [0, 3], [0, 1]])
    near = counts_of(places, 6)
    assert near.tolist() == [4, 2, 1, 1, 0, 0]
    columns = {"near": near, "near2": near**2, "near3": near**3}
    assert metrics(columns)["hubness"] == pytest.approx(skew(near.numpy()))
    flat = torch.full((5,), 3.0)
    assert metrics({"near": flat, "near2": flat**2, "near3": flat**3})["hubness"] == 0.0


def test_a_probe_tells_languages_apart_only_if_they_differ() -> None:
    x, y = drawn(5, 400), drawn(6, 400)
    assert float(language_probe(x, y).mean()) == pytest.approx(0.5, abs=0.06)
    y[:, 2] += 6
    assert float(language_probe(x, y).mean()) > 0.98
    assert float(language_probe(x, x.clone()).mean()) == pytest.approx(0.5)
    # Collapsed or alone, nothing is told and nothing breaks.
    assert (language_probe(x * 0, x * 0) == 0.5).all()
    assert language_probe(x[:1], y[:1]).tolist() == [0.5]


def test_a_direction_learnt_on_the_very_pairs_would_see_too_much() -> None:
    """With more dimensions than pairs, a probe that was not asked on others would be right on noise."""
    x, y = drawn(7, 60, 100), drawn(8, 60, 100)
    assert float(language_probe(x, y).mean()) == pytest.approx(0.5, abs=0.15)


def test_of_the_embedded_sample(tiny: Any) -> None:
    own = StructureTask(StructureOptions())
    language = own.languages()[0]
    examples = own.examples(language)
    found = own.probe(tiny(), language)
    scores: list[Score] = [own.score(found[example.id], example) for example in examples]
    sums = {name: sum(s.statistics[name] for s in scores) for name in scores[0].statistics}
    numbers = {metric.name: metric.compute(sums) for metric in own.info.metrics}
    assert 0 < numbers["cka"] <= 1 and 0 <= numbers["language_id"] <= 1
    assert 1 <= numbers["dimension"] <= 32
    assert sums["near"] == 10 * len(examples)
    arrays = {name: np.array([value, value]) for name, value in sums.items()}
    for metric in own.info.metrics:
        np.testing.assert_allclose(metric.compute(arrays), numbers[metric.name])


def test_sides_are_the_files(tmp_path: Path, write: Any) -> None:
    write("en-de.en", "a dog\na cat\n")
    write("en-de.de", "ein Hund\neine Katze\n")
    own = StructureTask(StructureOptions(data=str(tmp_path)))
    assert own.languages() == ["de"]
    assert own.sentences("de") == ["ein Hund", "a dog", "eine Katze", "a cat"]
    assert own.notes("de", []) == []
