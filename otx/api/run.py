"""A run, as Python users see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otx.api.html import html_table
from otx.api.tables import text_table
from otx.runs.losses import loss_text
from otx.runs.measures import MEASURES, measure_text

if TYPE_CHECKING:
    import pandas as pd

    from otx.runs.folder import RunFolder


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """An alignment, or an untouched encoder with results: a view of its folder.

    The folder is the truth: every property reads what is on disk there.

    Attributes:
        folder: The run folder.

    Example:
        >>> import otx
        >>> run = otx.load_run("first")  # doctest: +SKIP
        >>> run.verdict, run.model_path  # doctest: +SKIP
    """

    folder: RunFolder

    @property
    def name(self) -> str:
        """Name of the run, which is its folder's."""
        return self.folder.name

    @property
    def path(self) -> Path:
        """Path of the run folder."""
        return self.folder.path

    @property
    def model_path(self) -> Path:
        """The aligned model: a plain Hugging Face folder, for ``transformers.AutoModel.from_pretrained``."""
        return self.folder.model

    @property
    def record(self) -> Mapping[str, Any]:
        """Content of run.json: settings, seeds, digests, versions, diagnostics."""
        return self.folder.record

    @property
    def status(self) -> str:
        """``created``, ``running``, ``finished``, ``failed`` or ``interrupted``."""
        return str(self.record["status"])

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings that the run was made with, by table."""
        settings: Mapping[str, Mapping[str, Any]] = self.record["settings"]
        return settings

    @property
    def diagnostics(self) -> Mapping[str, Mapping[str, float]]:
        """Measurements on held-out pairs ``before`` and ``after`` the alignment; empty for an untouched encoder."""
        diagnostics: Mapping[str, Mapping[str, float]] = self.record.get("guards", {})
        return diagnostics

    @property
    def verdict(self) -> list[str]:
        """Measurements that got worse although the loss fell, a sentence each; empty if none did."""
        return list(self.record.get("verdict", []))

    def metrics(self) -> pd.DataFrame:
        """Return the training metrics, one row per step; needs pandas, which ``datasets`` installs."""
        import pandas

        return pandas.DataFrame(self.folder.metrics())

    def _rows(self) -> list[tuple[str, str]]:
        record = self.record
        rows = [("status", self.status), ("folder", str(self.path))]
        rows.append(("model", str(record.get("model", "-"))))
        if record["kind"] != "align":
            return rows
        terms = record.get("terms", {})
        rows.append(("objective", " + ".join(f"{w}*{name}" for name, w in terms.items()) or "-"))
        rows += [
            (f"{corpus['source']}-{corpus['pivot']}", str(corpus["name"]))
            for corpus in record.get("corpora", [])
        ]
        if record.get("loss"):
            rows.append(("loss", loss_text(record["loss"], record["steps"])))
        before, after = (self.diagnostics.get(when, {}) for when in ("before", "after"))
        rows += [
            (
                measure.title,
                f"{measure_text(name, before[name])} -> {measure_text(name, after[name])}",
            )
            for name, measure in MEASURES.items()
            if name in before and name in after
        ]
        return rows

    def __repr__(self) -> str:
        """Return a table of what the run is and did, with the verdict below it."""
        lines = [f"Run {self.name}", text_table(self._rows())]
        return "\n".join([*lines, *(f"! {line}" for line in self.verdict)])

    def _repr_html_(self) -> str:
        return html_table(f"Run {self.name}", [], self._rows(), [f"! {v}" for v in self.verdict])
