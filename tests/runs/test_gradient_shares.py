from __future__ import annotations

import pytest

from otx.runs.gradient_shares import share_lines


@pytest.mark.parametrize(
    ("shares", "objectives", "comments"),
    [
        ({"sinkhorn": 0.03, "keep-close": 0.97}, ["sinkhorn"], True),
        ({"sinkhorn": 0.3, "keep-close": 0.7}, ["10*sinkhorn"], False),
        ({"sinkhorn": 0.02, "tlm": 0.05, "keep-close": 0.93}, ["sinkhorn", "0.5*tlm"], True),
        ({"sinkhorn": 0.02, "tlm": 0.98}, ["sinkhorn", "tlm"], False),
        ({"keep-close": 0.05, "sinkhorn": 0.95}, ["keep-close", "sinkhorn"], False),
    ],
)
def test_a_term_that_hardly_counts_is_commented_on(
    shares: dict[str, float], objectives: list[str], comments: bool
) -> None:
    head, *more = share_lines(shares, objectives)
    assert all(f"{name} {share:.0%}" in head for name, share in shares.items())
    assert bool(more) == comments
    if comments:
        assert "keep-close" in more[0]
        assert "10*sinkhorn" in more[0]


def test_a_single_term_has_no_share_to_tell() -> None:
    assert share_lines({"sinkhorn": 1.0}, ["sinkhorn"]) == []
