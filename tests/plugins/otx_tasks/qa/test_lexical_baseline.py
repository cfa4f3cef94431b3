from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from otx_tasks.qa.lexical_baseline import most_similar_clause


def shared_trigrams(a: str, b: str) -> int:
    count = 0
    rest = Counter(b.lower()[i : i + 3] for i in range(len(b) - 2))
    for i in range(len(a) - 2):
        if rest[a.lower()[i : i + 3]] > 0:
            rest[a.lower()[i : i + 3]] -= 1
            count += 1
    return count


def test_the_clause_that_looks_like_the_question() -> None:
    context = "In 1931 it was built, the mayor of Lindau opened the bridge; nobody came."
    assert (
        most_similar_clause("Who opened the bridge?", context)
        == "the mayor of Lindau opened the bridge"
    )


def test_chinese_and_thai_have_clauses_too() -> None:
    assert most_similar_clause("林道市长是谁", "桥很长。林道市长来了，大家高兴。") == "林道市长来了"


def test_of_equals_the_first_and_nothing_out_of_nothing() -> None:
    assert most_similar_clause("xyz", "abc, def") == "abc"
    assert most_similar_clause("xyz", "...") == ""


@given(
    st.lists(st.text("abc ", min_size=1, max_size=12), min_size=1, max_size=6),
    st.text("abc", max_size=9),
)
def test_no_clause_shares_more(clauses: list[str], question: str) -> None:
    flat = [" ".join(c.split()) for c in clauses if c.strip()]
    found = most_similar_clause(question, ",".join(clauses))
    best = max((shared_trigrams(c, question) for c in flat), default=0)
    assert shared_trigrams(" ".join(found.split()), question) == best
