"""Which tests are slow, and which run in `make test-all` only: one table, by the beginning of a test's id.

A test function may also carry ``@pytest.mark.slow`` itself. The numbers are seconds of CPU on one core.
"""

from __future__ import annotations

import re

import pytest

SLOW = (
    # Alignments and fine-tunings.
    r"tests/alignment/test_(align|bitext_hashes|link|model_selection|plan_view|resume|training_links)\.py",  # 115
    r"tests/evaluation/test_(evaluate|predict|suites|waste|features)\.py",  # 85
    r"tests/training/test_(vocabulary|lora|observers|checkpoint)\.py",  # 30
    r"tests/testing/test_(encoders|tasks)\.py",  # 15
    r"tests/api/test_instances\.py",  # 5
    r"tests/scripts/laboratory/test_(cell|command|packing|running|sharing)\.py",  # 45
    # Commands, many of them as processes.
    r"tests/mission/",  # 55
    r"tests/cli/test_(corpus|errors|ledger|startup|processes)\.py",  # 75
    r"tests/training/test_processes\.py",  # 30
    r"tests/scripts/test_documented_commands\.py",  # 7
    r"tests/test_(conftest|docs_plugins|doctests)\.py",  # 50
    # Solvers and objectives against oracles, compilers, real data.
    r"tests/ot/kernels/",  # 50
    r"tests/ot/solvers/test_(divergence|fused_gromov|geomloss|pairwise|partial|sinkhorn|tiled|unbalanced)\.py",  # 75
    r"tests/plugins/otx_transport/test_(fused_gromov|null|sinkhorn)\.py",  # 15
    r"tests/plugins/test_objectives\.py.*(fused-gromov|null|partial)",  # 8
    r"tests/plugins/otx_encoders/e5_small/",  # 30
    r"tests/plugins/otx_encoders/test_(heads|loading|saving|tokenizer_checks)\.py",  # 14
    r"tests/plugins/otx_tasks/(classification/test_xnli|probes/test_retrieval|qa/test_(windows|xquad))\.py",  # 25
    r"tests/plugins/otx_corpora/test_tmx\.py",  # 6
    r"tests/runs/test_statistics\.py",  # 5
    r"tests/(ot/test_exports|links/test_methods)\.py",  # 6
)
"""Tests that `make test-fast` leaves out."""

EXTRA = (
    r"tests/faults/",  # 55: nine faults of a plugin, several commands each, as processes
    r"tests/evaluation/test_four_processes\.py",  # 100: ten processes with an encoder each
    r"tests/scripts/laboratory/test_command\.py.*processes",  # 33: a cell in three processes
    r"tests/scripts/laboratory/test_command\.py::test_finished_cells",  # 19
    r"tests/ot/solvers/test_on_chip\.py::test_what_does_not_converge",  # 17
    r"tests/ot/kernels/test_on_chip\.py.*\[300\.0\]",  # 25: many sweeps, interpreted
    r"tests/ot/kernels/test_points\.py.*\[(half_squared|squared|dot)",  # 20: cosine and euclidean stay
    r"tests/ot/kernels/test_compiles\.py.*(tile[02345]|tile1-fp64)",  # 80: the tile of most sentences stays
    r"tests/ot/solvers/test_on_chip\.py.*without_kernels\[(negative|empty|unequal)\]",  # 12: other errors stay
    r"tests/ot/solvers/test_divergence\.py::test_it_is_what_geomloss_comes_to",  # 15: an experiment
    # 150
    r"tests/test_examples\.py.*(compare_objectives|align_and_compare|encode_and_search|own_objective|transport_plan)",
    r"tests/scripts/laboratory/test_cell\.py",  # 40: a whole cell, twice
    r"tests/benchmarks/test_large_model\.py",  # 15
    r"tests/alignment/test_peak_memory\.py::test_(the_prediction_is_close.*(whole|recompute)|the_state)",  # 20
    r"tests/evaluation/test_evaluate\.py::test_processes_side_by_side",  # 30: four processes do more
    r"tests/test_docs_plugins\.py",  # 30
    r"tests/mission/.*an_installed_objective_of_a_third_party",  # 30
    r"tests/ot/solvers/test_fused_gromov\.py::test_plan_and_value_are_pot_s",  # 20: an experiment; its objective stays
    r"tests/test_readme\.py::test_the_objective_of_the_readme_is_a_package",  # 17
    r"tests/ot/kernels/test_cosine\.py.*pairs_equal_the_kernel.*\[tau0-3\]",  # 17: other sizes stay
    r"tests/plugins/otx_encoders/e5_small/test_e5_small\.py::test_two_processes_at_once_write_one_folder",  # 16
    r"tests/plugins/otx_encoders/e5_small/test_package\.py",  # 20: e5-small beside its own package
    r"tests/plugins/otx_tasks/probes/test_retrieval\.py::test_the_sample_is_searched",  # 10
    r"tests/plugins/otx_tasks/qa/test_xquad\.py::test_real_training_file",  # 6
    r"tests/evaluation/test_evaluate\.py::test_a_killed_head_goes_on",  # 9: four processes do more
    r"tests/ot/kernels/test_grid\.py.*changes_how_and_not_what",  # 17
    r"tests/test_wheel\.py",  # 19
    r"tests/training/test_processes\.py::test_(every_objective|two_processes)_train",  # 200: one sharded test stays
    r"tests/ot/solvers/test_on_chip\.py::test_(costs_given|divergences)$",  # 10: the kernels' own tests stay
    r"tests/evaluation/test_evaluate\.py::test_(two_seeds|other_weights|a_changed_encoder)",  # 25
    r"tests/alignment/test_model_selection\.py::test_the_best_of_the_looks.*(aer|retrieval)-looks",  # 15
    r"tests/mission/.*test_eval_measures",  # 13
    r"tests/training/test_processes\.py::test_two_processes_with_sharded_encoders",  # 60
    # 300: runs of two processes, which fail, are killed, hung, stopped and resumed.
    r"tests/cli/test_processes\.py::test_(a_(killed|signal|run)|an_error|two_processes|what_reads)",
    r"tests/test_readme\.py::test_every_command_line_of_the_readme_runs$",  # 14
    # 8: the defaults, which tests/plugins/test_objectives.py checks too.
    r"tests/plugins/otx_transport/test_(fused_gromov|null|partial)\.py::test_it_keeps_the_contract$",
)
"""Tests that only `make test-all` runs."""


def mark(item: pytest.Item) -> None:
    """Mark a test by the two tables; what is extra is slow, too.

    Args:
        item: The test.
    """
    if any(re.match(pattern, item.nodeid) for pattern in EXTRA):
        item.add_marker(pytest.mark.extra)
        item.add_marker(pytest.mark.slow)
    elif any(re.match(pattern, item.nodeid) for pattern in SLOW):
        item.add_marker(pytest.mark.slow)
