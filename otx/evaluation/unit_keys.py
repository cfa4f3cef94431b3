"""Content keys of evaluation units and fine-tuned models: equal keys mean equal numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from otx.config.roles import keyed_options
from otx.config.schema import EvalSettings
from otx.evaluation.finetune import FIT_VERSION
from otx.files.digests import content_key
from otx.interfaces import Task, TransferTask

UNIT_SCHEMA = 1
CARRIED = "carried"
"""Training digest of a head that the checkpoint brought."""


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """The encoder's part of a key.

    Attributes:
        digest: Hash of weights and tokenizer.
        options: Options of the encoder plugin, with digests in place of paths.
        autocast: Autocast type as text, such as ``torch.bfloat16``; ``None`` as text for float32.
    """

    digest: str
    options: Mapping[str, Any]
    autocast: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitKey:
    """Everything that the numbers of one evaluation unit depend on.

    Attributes:
        task: Name of the task.
        version: Its declared version.
        language: The tested language.
        data: Fingerprint of the test set.
        training: Digest of the training data and procedure; None for a probe and for a baseline without an encoder.
        encoder: The encoder; None for a baseline without an encoder.
        options: Options of the task, without paths.
        head_seed: Seed of the head; None for a probe, a baseline and a head of the checkpoint.
        baseline: Name of the baseline without an encoder; None for a unit of an encoder.
    """

    task: str
    version: str
    language: str
    data: str
    training: str | None
    encoder: EncoderIdentity | None
    options: Mapping[str, Any]
    head_seed: int | None
    baseline: str | None

    def digest(self) -> str:
        """Return the content key: a SHA-256 in hex."""
        encoder = self.encoder
        # The names are part of every key on disk.
        return content_key(
            schema=UNIT_SCHEMA,
            task=self.task,
            version=self.version,
            language=self.language,
            data=self.data,
            training=self.training,
            model=None if encoder is None else encoder.digest,
            encoder=None if encoder is None else encoder.options,
            autocast=None if encoder is None else encoder.autocast,
            options=self.options,
            head_seed=self.head_seed,
            floor=self.baseline,
        )


@dataclass(frozen=True, slots=True)
class TrainingProcedure:
    """The settings that shape a fine-tuning, besides the options of the task.

    Attributes:
        vocabulary: Rows of the input embeddings that are trained, ``used`` or ``whole``.
        checks: Number of checks on development data.
        patience: Number of checks without improvement after which training stops.
    """

    vocabulary: str
    checks: int
    patience: int

    @classmethod
    def of(cls, settings: EvalSettings, vocabulary: str) -> TrainingProcedure:
        """Return the procedure of table ``[eval]``.

        Args:
            settings: The table.
            vocabulary: ``vocabulary`` of table ``[encoder]``.
        """
        return cls(vocabulary, settings.checks, settings.patience)


class KeyMaker:
    """Make the content keys of one task on one encoder.

    Args:
        task: The task.
        encoder: The encoder.
        procedure: Settings that shape a fine-tuning.

    Attributes:
        options: Options of the task, without paths.
    """

    def __init__(self, task: Task, encoder: EncoderIdentity, procedure: TrainingProcedure) -> None:
        self.task, self.encoder, self.procedure = task, encoder, procedure
        self.options: dict[str, Any] = keyed_options(task.options)
        self._training: str | None = None

    def unit(self, language: str, head_seed: int | None, baseline: str | None = None) -> str:
        """Return the key of one unit.

        Args:
            language: The tested language.
            head_seed: Seed of the head; None for a probe, a baseline and a head of the checkpoint.
            baseline: Name of a baseline without an encoder.
        """
        key = UnitKey(
            task=self.task.info.name,
            version=self.task.info.version,
            language=language,
            data=self.task.fingerprint(language),
            training=None if baseline else self.training(head_seed),
            encoder=None if baseline else self.encoder,
            options=self.options,
            head_seed=head_seed,
            baseline=baseline,
        )
        return key.digest()

    def training(self, head_seed: int | None) -> str | None:
        """Return the digest of the training of a head.

        Args:
            head_seed: Seed of the head; None for a head of the checkpoint.

        Returns:
            The digest; None for a probe, ``CARRIED`` for a head of the checkpoint.
        """
        if self.task.info.kind == "probe":
            return None
        if head_seed is None:
            return CARRIED
        if self._training is None:
            self._training = content_key(
                data=cast(TransferTask, self.task).training_fingerprint(),
                fit=FIT_VERSION,
                **asdict(self.procedure),
            )
        return self._training

    def finetuned_model(self, head_seed: int) -> str:
        """Return the key of a fine-tuned model.

        Args:
            head_seed: Seed of the head.
        """
        return content_key(
            model=self.encoder.digest,
            encoder=self.encoder.options,
            autocast=self.encoder.autocast,
            training=self.training(head_seed),
            options=self.options,
            head_seed=head_seed,
        )
