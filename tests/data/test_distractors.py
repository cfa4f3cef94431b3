from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otx.data.distractors import draw_distractors
from otx.data.holdout import split
from otx.data.subset import each_pair

SENTENCE = st.tuples(st.integers(0, 30), st.sampled_from(["s{}", "S {}!"])).map(
    lambda drawn: drawn[1].format(drawn[0])
)
LANGUAGES = [("de", "en"), ("es", "en"), ("de", "en")]


def form(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def draw(corpora: Any, parts: Any, candidates: int, seed: int = 0) -> Any:
    train = [part.train for part in parts]
    return draw_distractors(
        train, [max(len(part.select), len(part.report)) for part in parts], candidates, seed
    )


@given(
    st.lists(st.lists(st.tuples(SENTENCE, SENTENCE), max_size=60), min_size=1, max_size=3),
    st.integers(0, 12),
    st.integers(1, 40),
)
def test_no_distractor_is_a_held_out_sentence_or_a_translation_of_one(
    corpus: Any, texts: Any, heldout: Any, candidates: Any
) -> None:
    corpora = [corpus(pairs, own) for pairs, own in zip(texts, LANGUAGES, strict=False)]
    parts = split(corpora, heldout, 0)
    distractors = draw(corpora, parts, candidates)
    # (language, form) of every held-out sentence and of whatever translates it anywhere.
    held = {
        (language, form(text))
        for part in parts
        for half in (part.select, part.report)
        for pair in each_pair(half)
        for language, text in ((half.source_language, pair.source), ("en", pair.pivot))
    }
    banned = set(held)
    for own in corpora:
        for pair in own.pairs:
            both = {(own.source_language, form(pair.source)), ("en", form(pair.pivot))}
            banned |= both if both & held else set()
    for language in ("de", "es"):
        drawn = [
            pair for d in distractors if d.source_language == language for pair in each_pair(d)
        ]
        sources, pivots = [form(p.source) for p in drawn], [form(p.pivot) for p in drawn]
        assert len(set(sources)) == len(sources) and len(set(pivots)) == len(pivots)
        assert not {(language, text) for text in sources} & banned
        assert not {("en", text) for text in pivots} & banned
        halves = [
            sum(len(getattr(p, half)) for p in parts if p.train.source_language == language)
            for half in ("select", "report")
        ]
        assert max(halves) + len(drawn) <= max(candidates, *halves)
        assert any(halves) or not drawn


def parallel(corpus: Any, count: int, languages: str = "de") -> Any:
    return [
        corpus([(f"{language}{i}", f"English {i}") for i in range(count)], (language, "en"))
        for language in languages.split()
    ]


def test_there_are_as_many_candidates_as_asked_for_or_as_there_are(corpus: Any) -> None:
    corpora = parallel(corpus, 500, "de es")
    parts = split(corpora, 60, 0)
    assert [len(own) for own in draw(corpora, parts, 300)] == [270, 270]
    assert [len(own) for own in draw(corpora, parts, 5_000)] == [440, 440]
    assert [len(own) for own in draw(corpora, parts, 20)] == [0, 0]


def test_corpora_of_one_language_share_the_candidates(corpus: Any) -> None:
    corpora = [
        corpus([(f"{name}{i}", f"{name} en {i}") for i in range(400)]) for name in ("a", "b")
    ]
    parts = split(corpora, 40, 0)
    drawn = draw(corpora, parts, 200)
    assert sum(map(len, drawn)) == 200 - 40
    assert all(len(own) > 40 for own in drawn)


def test_the_seed_alone_decides_and_a_smaller_number_is_a_prefix(corpus: Any) -> None:
    corpora = parallel(corpus, 300)
    parts = split(corpora, 40, 0)

    def lines(candidates: int, seed: int) -> list[int]:
        return [pair.line for pair in each_pair(draw(corpora, parts, candidates, seed)[0])]

    assert lines(120, 0) == lines(120, 0) != lines(120, 1)
    assert lines(60, 0) == lines(120, 0)[:40]
