import subprocess
import sys

import otx_tasks
from otx.plugin_host.registry import Registry
from otx_tasks.classification import XNLI
from otx_tasks.probes import RETRIEVAL, WORD_ALIGNMENT
from otx_tasks.qa import XQUAD


def test_tasks_are_registered_and_can_be_loaded() -> None:
    names = (
        "bucc classification mlqa ner paws-x pos retrieval structure tydiqa-goldp word-alignment "
        "word-retrieval xnli xquad"
    )
    registry = Registry("otx")
    otx_tasks.otx_register(registry)
    entries = registry.entries("task")
    assert set(names.split()) <= {entry.name for entry in entries}
    for entry in entries:
        assert entry.options is not None
        made = entry.load()(entry.options())
        assert made.info is entry.info
        assert (entry.info.kind == "transfer") == hasattr(made, "training")


def test_registering_imports_nothing_heavy() -> None:
    code = (
        "import sys, otx_tasks\n"
        "from otx.plugin_host.registry import Registry\n"
        "otx_tasks.otx_register(Registry('otx'))\n"
        "assert not {'torch', 'transformers', 'datasets', 'ot'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_metrics_are_ratios_of_sums_and_take_arrays() -> None:
    import numpy as np

    sums = {
        "to_pivot": np.array([3.0, 4.0]),
        "from_pivot": np.array([1.0, 2.0]),
        "n": np.array([4.0, 4.0]),
    }
    accuracy, to_pivot = RETRIEVAL.metrics[:2]
    assert accuracy.compute(sums).tolist() == [0.5, 0.75]
    assert to_pivot.compute(sums).tolist() == [0.75, 1.0]
    assert [task.metrics[0].name for task in (WORD_ALIGNMENT, XQUAD, XNLI)] == [
        "aer",
        "f1_squad",
        "accuracy",
    ]
