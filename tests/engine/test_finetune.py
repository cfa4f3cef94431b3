import itertools

from hypothesis import given
from hypothesis import strategies as st

from otx.engine.finetune import by_size


@given(st.lists(st.integers(1, 50)), st.integers(1, 200))
def test_batches_hold_every_index_once_and_no_more_than_their_tokens(
    lengths: list[int], tokens: int
) -> None:
    batches = list(by_size(lengths, tokens))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens
    longest = [max(lengths[i] for i in batch) for batch in batches]
    assert longest == sorted(longest)
    # Padding is what sorting leaves of it, and no batch is smaller than it need be.
    for one, after in itertools.pairwise(batches):
        assert (len(one) + 1) * lengths[after[0]] > tokens
