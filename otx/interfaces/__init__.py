"""Interfaces of plugins: objectives and their views, encoders, corpora and tasks, with base classes and defaults.

The data that they pass is in ``otx.types``. Importing this package does not import torch.
"""

from __future__ import annotations

from otx.interfaces.base_tasks import BaseProbeTask, BaseTask, BaseTransferTask
from otx.interfaces.corpus import Corpus
from otx.interfaces.encoder import Encoder
from otx.interfaces.objective import Objective
from otx.interfaces.task import ProbeTask, Task, TransferTask
from otx.interfaces.view import View

__all__ = [
    "BaseProbeTask",
    "BaseTask",
    "BaseTransferTask",
    "Corpus",
    "Encoder",
    "Objective",
    "ProbeTask",
    "Task",
    "TransferTask",
    "View",
]
