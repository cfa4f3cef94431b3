import torch

from otx.types import Encoded
from otx_tasks.heads import FirstTokenHead, SpanHead


def encoded(states: torch.Tensor) -> Encoded:
    mask = torch.ones(states.shape[:2], dtype=torch.bool)
    return Encoded({-1: states}, mask, mask.long())


def test_spans_are_a_linear_map_of_each_sub_word() -> None:
    head = SpanHead(8)
    states = torch.randn(2, 5, 8)
    wanted = torch.einsum("btd,cd->btc", states, head.out.weight) + head.out.bias
    torch.testing.assert_close(head(encoded(states)), wanted)


def test_classes_are_read_off_the_first_token() -> None:
    head = FirstTokenHead(8, 3).eval()
    states = torch.randn(4, 6, 8)
    hidden = torch.tanh(states[:, 0] @ head.dense.weight.T + head.dense.bias)
    wanted = hidden @ head.out.weight.T + head.out.bias
    torch.testing.assert_close(head(encoded(states)), wanted)
    head.train()
    torch.manual_seed(0)
    assert not torch.equal(head(encoded(states)), head(encoded(states)))


def test_the_same_seed_gives_the_same_head() -> None:
    heads = []
    for _ in range(2):
        torch.manual_seed(3)
        heads.append(FirstTokenHead(8, 3))
    assert all(torch.equal(a, b) for a, b in zip(*(h.parameters() for h in heads), strict=True))
