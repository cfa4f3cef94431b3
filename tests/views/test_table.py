"""Every view of the table is light to declare, and its fake can be restricted, padded, split and tapped."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from otx.interfaces import View
from otx.tensor_tree import host_fields, walk_tensors
from otx.testing import check_objective, example_pair
from otx.types import Encoded, EncodedPair, Loss, MissingViewError, Sides, place_text
from otx.views import VIEWS, FakeBatch, Idf, Links, Masked, States, ViewContext, ViewMaker, by_kind

KINDS = pytest.mark.parametrize("kind", VIEWS, ids=lambda kind: kind.__name__)


def declared(kind: type[View[Any]]) -> set[View[Any]]:
    return {States(), kind()}


def test_the_declarations_import_nothing_heavy() -> None:
    code = (
        "import otx.views, sys\n"
        "[view() for view in otx.views.VIEWS]\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'pyarrow', 'ot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout == "[]\n", done.stderr


@KINDS
def test_a_view_describes_itself(kind: type[View[Any]]) -> None:
    assert kind.label and kind.summary and kind.__doc__
    assert kind() == kind() and hash(kind()) == hash(kind())
    assert [one.label for one in VIEWS].count(kind.label) == 1


@KINDS
def test_its_value_is_read_by_its_class(kind: type[View[Any]]) -> None:
    pair = example_pair(declared(kind), 4)
    assert pair[kind] is not None
    with pytest.raises(MissingViewError, match=f"no view {kind.__name__}"):
        if kind is States:
            raise MissingViewError("no view States")
        example_pair({States()}, 4)[kind]


@KINDS
def test_the_parts_of_a_batch_are_whole(kind: type[View[Any]]) -> None:
    """Rows of both parts together are the rows of the batch, tensor by tensor."""
    pair = example_pair(declared(kind), 4)
    value = pair[kind]
    parts = [kind.select(value, rows, len(pair)) for rows in (slice(0, 3), slice(3, 4))]
    whole, first, second = (dict(walk_tensors(one)) for one in (value, *parts))
    assert whole.keys() == first.keys() == second.keys()
    for place, tensor in whole.items():
        assert len(first[place]) + len(second[place]) == len(tensor) or kind.label == "parameters"


@KINDS
def test_a_tapped_value_has_the_same_numbers_in_its_own_containers(kind: type[View[Any]]) -> None:
    value = example_pair(declared(kind), 4)[kind]
    seen: list[Tensor] = []
    tapped = kind.tap(value, lambda tensor: seen.append(tensor) or tensor)  # type: ignore[func-returns-value]
    tensors = [tensor for _, tensor in walk_tensors(value)]
    assert [id(tensor) for tensor in seen] == [id(tensor) for tensor in tensors]
    assert isinstance(value, Tensor) or tapped is not value


@KINDS
def test_padding_makes_encoded_text_wider_and_nothing_narrower(kind: type[View[Any]]) -> None:
    value = example_pair(declared(kind), 4)[kind]
    before, after = (dict(walk_tensors(one)) for one in (value, kind.pad(value, 3)))
    encoded = any("word_index" in place for place in before)
    assert before.keys() == after.keys()
    for place, tensor in before.items():
        wider = [*tensor.shape[:1], *(size + 3 for size in tensor.shape[1:2]), *tensor.shape[2:]]
        assert list(after[place].shape) in ([wider] if encoded else [wider, [*tensor.shape]])


def test_an_objective_sees_only_what_it_declares() -> None:
    pair = example_pair({States(), States(2), Links(), Masked(), Idf()}, 4)
    part = pair.only({States(2), Links()})
    assert part.source.tokens.keys() == {2} and part.views.keys() == {Links}
    assert part.source.tokens[2] is pair.source.tokens[2]
    with pytest.raises(
        MissingViewError, match=r"views = \{Links\(\), States\(layer=2\)\}; add Idf"
    ):
        part[Idf]
    with pytest.raises(MissingViewError, match="no hidden states of layer -1"):
        part.source.words()
    assert [place_text(place) for place, _ in part.tensors()][-1] == "pair[Links]"


def test_views_are_grouped_in_the_order_of_the_table() -> None:
    groups = by_kind([Links(), States(2), States(), States(2)])
    assert groups == {States: [States(-1), States(2)], Links: [Links()]}
    assert list(groups) == [States, Links]


@dataclass(frozen=True)
class Lengths(View["Tensor"]):
    """Words of the source side ``[B]``: a view of another package."""

    label: ClassVar[str] = "lengths"
    summary: ClassVar[str] = "words of the source side"

    @classmethod
    def maker(cls, views: Sequence["Lengths"], context: ViewContext) -> ViewMaker[Tensor]:
        return ViewMaker(lambda batch, states: batch.source.word_index.amax(1) + 1)

    @classmethod
    def fake(cls, views: Sequence["Lengths"], batch: FakeBatch) -> Tensor:
        return torch.tensor([source for source, _ in batch.lengths])


def test_a_view_of_another_package_needs_no_change_here() -> None:
    class Weighted(nn.Module):
        views, scope = {States(), Lengths()}, "mean"

        def forward(self, pair: EncodedPair) -> Loss:
            gap = (pair.source.sentences() - pair.pivot.sentences()).float().square().sum(1)
            words = pair[Lengths]
            return Loss((gap * words).sum() / words.sum(), count=words.sum())

    check: Callable[..., None] = check_objective
    check(Weighted, dimension=4)


@KINDS
def test_joined_parts_are_the_batch(kind: type[View[Any]]) -> None:
    pair = example_pair(declared(kind), 4)
    value = pair[kind]
    rows = [slice(0, 1), slice(1, 3), slice(3, 4)]
    parts = [kind.select(value, part, len(pair)) for part in rows]
    joined = kind.join(parts, [1, 2, 1])
    whole, again = (dict(walk_tensors(one)) for one in (value, joined))
    assert whole.keys() == again.keys()
    for place, tensor in whole.items():
        assert torch.equal(again[place], tensor), place
    assert list(host_fields(joined)) == [list(known) for known in host_fields(value)]


def test_narrower_parts_are_padded_as_their_field_says() -> None:
    wide, narrow = (
        Encoded(
            {-1: torch.ones(1, width, 2)},
            torch.ones(1, width, dtype=torch.bool),
            torch.zeros(1, width, dtype=torch.long),
            [1],
        )
        for width in (3, 1)
    )
    sides = Sides(wide, narrow)
    joined = States.join([sides, Sides(narrow, wide)], [1, 1])
    assert joined.source.word_index.tolist() == [[0, 0, 0], [0, -1, -1]]
    assert joined.pivot.mask.tolist() == [[True, False, False], [True, True, True]]
    assert joined.pivot.tokens[-1].sum((1, 2)).tolist() == [2, 6]
    assert joined.source.word_counts == [1, 1]
