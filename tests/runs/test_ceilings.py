from scipy.stats import binomtest

from otx.runs.ceilings import AT_CEILING, CHANGES, TOO_FEW, candidates_text, ceiling


def test_a_measure_can_show_a_gain_if_correcting_every_error_is_significant() -> None:
    for errors in range(1, 20):
        possible = binomtest(errors, errors).pvalue < 0.05
        assert (ceiling(1000, errors) is None) == possible
    assert ceiling(1000, 0) == AT_CEILING


def test_a_few_examples_are_not_called_a_ceiling() -> None:
    assert ceiling(CHANGES - 1, CHANGES - 1) == ceiling(0, 0) == TOO_FEW
    assert ceiling(CHANGES, CHANGES) is None
    assert ceiling(CHANGES, CHANGES - 1) == AT_CEILING


def test_candidates_of_several_languages() -> None:
    assert candidates_text({"de": 5000, "es": 5000}) == "5,000 candidates"
    assert candidates_text({"de": 414, "es": 5000}) == "414 to 5,000 candidates"
