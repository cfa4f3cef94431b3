"""Terms: the grammar of weights, and where a weight is at each moment of a run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.config.objective_term import ObjectiveTerm, parse_term, term_text
from otx.errors import UsageError

weights = st.floats(0.001, 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sinkhorn", ObjectiveTerm("sinkhorn", 1.0, 1.0)),
        ("0.5*tlm", ObjectiveTerm("tlm", 0.5, 0.5)),
        ("2*otx:sinkhorn", ObjectiveTerm("otx:sinkhorn", 2.0, 2.0)),
        (" 1e-2*keep-close ", ObjectiveTerm("keep-close", 0.01, 0.01)),
        ("0..1*tlm", ObjectiveTerm("tlm", 0.0, 1.0)),
        ("1..0.1@0.5*tlm", ObjectiveTerm("tlm", 1.0, 0.1, 0.5)),
        ("2.5..0@.25*tlm", ObjectiveTerm("tlm", 2.5, 0.0, 0.25)),
    ],
)
def test_a_term_is_a_name_with_a_weight(text: str, expected: ObjectiveTerm) -> None:
    assert parse_term(text) == expected


@pytest.mark.parametrize(
    "text",
    """ |*|0.5*|x*tlm|0*tlm|-1*tlm|nan*tlm|inf*tlm|0..0*a|1..*a|..1*a|-1..1*a|0..inf*a
    1@0.5*a|0..1@0*a|0..1@1.5*a|0..1@nan*a|0..1..2*a""".replace("\n", "|").split("|"),
)
def test_what_is_no_term_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_term(text)


@given(weights, weights, st.floats(0.01, 0.99))
def test_what_is_written_reads_back(start: float, end: float, over: float) -> None:
    for term in (
        ObjectiveTerm("a", start, start),
        ObjectiveTerm("a", start, end),
        ObjectiveTerm("a", start, end, over),
    ):
        again = parse_term(f"{term.amount}*a")
        assert again.start == pytest.approx(term.start, rel=1e-5)
        assert again.weight(1.0) == pytest.approx(term.weight(1.0), rel=1e-5)


@given(weights, weights, st.floats(0.01, 1), st.floats(0, 1))
def test_a_weight_goes_straight_and_then_stays(
    start: float, end: float, over: float, share: float
) -> None:
    term = ObjectiveTerm("a", start, end, over)
    assert term.weight(0) == start
    assert term.weight(1) == pytest.approx(end) == term.weight(max(over, share))
    assert term.weight(over / 2) == pytest.approx((start + end) / 2)


def test_a_table_says_the_same_as_a_text() -> None:
    table = {"name": "tlm", "weight": "0..1", "over": 0.2}
    assert parse_term(term_text(table)) == parse_term("0..1@0.2*tlm")
