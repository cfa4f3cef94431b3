"""Dropout keeps the share and the mean that it should, and follows PyTorch's seed."""

import pytest
import torch
from torch import nn

from otx_encoders.compiled.dropout import Dropout, drop, replace_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("probability", [0.1, 0.5, 0.013])
def test_share_and_mean_are_those_of_dropout(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    count = 400_000
    dropped = drop(torch.ones(count, dtype=dtype), probability)
    deviation = (probability * (1 - probability) / count) ** 0.5
    assert abs((dropped == 0).double().mean().item() - probability) < 4 * deviation
    kept = dropped[dropped > 0]
    assert torch.all(kept == kept[0]) and abs(kept[0].item() * (1 - probability) - 1) < 1e-4
    assert abs(dropped.mean().item() - 1) < 4 * deviation / (1 - probability)
    # Neighbours are independent.
    zeros = (dropped == 0).double() - probability
    for distance in (1, 2, 3, 4, 8, 64):
        assert (
            abs((zeros[distance:] * zeros[:-distance]).mean().item())
            < 4 * deviation**2 * count**0.5
        )


def test_the_seed_is_pytorchs() -> None:
    values = torch.ones(37, 5)
    torch.manual_seed(3)
    one, two = drop(values, 0.3), drop(values, 0.3)
    torch.manual_seed(3)
    assert torch.equal(drop(values, 0.3), one) and not torch.equal(one, two)


def test_the_gradient_passes_where_the_value_does() -> None:
    values = torch.randn(50, requires_grad=True)
    dropped = drop(values, 0.4)
    dropped.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(dropped, values * values.grad)


def test_two_draws_are_independent() -> None:
    torch.manual_seed(0)
    one, two = ((drop(torch.ones(100_000), 0.5) == 0).double() - 0.5 for _ in range(2))
    shifts = [0, 1, 7, 1000]
    products = [(one[shift:] * two[: len(two) - shift]).mean().item() for shift in shifts]
    assert max(map(abs, products)) < 5 * 0.25 / 100_000**0.5


def test_the_number_of_threads_changes_nothing() -> None:
    values, threads = torch.randn(700, 300), torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            torch.manual_seed(0)
            results.append(drop(values, 0.3))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_it_can_be_differentiated_twice() -> None:
    values = torch.randn(50, requires_grad=True)
    (first,) = torch.autograd.grad((drop(values, 0.4) ** 3).sum(), values, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), values)
    # The k-th derivative of (f v)^3 has the factor f^3, which is 0 or one and the same number.
    torch.testing.assert_close(first * 2, second * values)


def test_nan_stays_nan() -> None:
    assert drop(torch.full((1000,), float("nan")), 0.5).isnan().all()


def test_columns_of_a_matrix_are_dropped_like_any_numbers() -> None:
    values = torch.randn(30, 50)
    torch.manual_seed(0)
    dropped = drop(values.t(), 0.5)
    kept = dropped != 0
    torch.testing.assert_close(dropped, values.t() * kept * 2)
    assert 0.4 < kept.float().mean().item() < 0.6


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 1.0), (1.0, 0.0), (1e-10, 1.0)])
def test_the_ends_are_exact(probability: float, expected: float) -> None:
    assert torch.all(drop(torch.ones(1000), probability) == expected)


def test_every_plain_dropout_of_a_model_is_replaced_in_its_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2), nn.ModuleList([nn.Dropout(0.3)]))
    model[2].eval()
    replace_dropout(model)
    assert [part.p for part in model.modules() if type(part) is Dropout] == [0.2, 0.3]
    assert model[1].training and not model[2][0].training  # type: ignore[index]
    model.eval()
    assert torch.equal(model[1](torch.ones(9)), torch.ones(9))
