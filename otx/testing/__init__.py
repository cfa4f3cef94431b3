"""Conformance checks for plugin authors: one for each kind of object; `otx plugins check NAME` runs them.

Each check is a clause of ``otx.interfaces``. What breaks one raises PluginError, naming the clause.
"""

from otx.testing.corpora import check_corpus
from otx.testing.encoders import check_encoder
from otx.testing.objectives import check_objective
from otx.testing.pairs import example_pair
from otx.testing.tasks import check_task

__all__ = ["check_corpus", "check_encoder", "check_objective", "check_task", "example_pair"]
