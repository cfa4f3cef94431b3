"""One cell in a process of its own: align, evaluate, write the result, leave nothing else.

    python -m scripts.laboratory.cell JOB.json

A process that is stopped leaves its run folder in the cell's scratch folder, and the next one resumes from it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomlkit

from otx.config.settings import Settings, load_settings
from otx.errors import DataError, Interrupted, OTXError
from otx.files import atomic
from otx.plugin_host.host import PluginHost, host
from otx.runs.folder import RunFolder
from scripts.laboratory.harvest import Recorder, describe_fit, harvest, replace_texts
from scripts.laboratory.records import write_record
from scripts.laboratory.study import MATERIAL

RUN = "cell"


@dataclass(frozen=True, slots=True)
class Job:
    """What a cell's process is told.

    name, system, seed, key: of the cell. ``contents``, ``files``: what the key is made of.
    model, model_name, model_digest: what is opened, how the study calls it, and what it must be.
    material: folder of the study's data. ``scratch``: folder of this cell. ``output``: the result's file.
    device: what it computes on. ``predicted``: seconds.
    """

    name: str
    system: str
    seed: int
    key: str
    contents: dict[str, Any]
    files: dict[str, str]
    model: str
    model_name: str
    model_digest: str
    material: str
    scratch: str
    output: str
    device: str
    predicted: float

    def write(self, path: Path) -> None:
        """Write the job for the process."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def compute(job: Job) -> None:
    """Compute a cell, write its result and remove its scratch folder."""
    scratch = Path(job.scratch)
    _write_settings(job, scratch)
    recorder = Recorder(scratch / "curves.jsonl")
    seconds: dict[str, float] = {}
    settings, plugins = _project(job, {})
    began = time.perf_counter()
    if job.contents["align"]:
        run = _aligned(job, settings, plugins, recorder)
        seconds["align"] = time.perf_counter() - began
    else:
        run = _untouched(job, settings, plugins)
    digest = run.record.get("model_digest_before") or run.record["model_digest"]
    if digest != job.model_digest:
        raise DataError(
            f"{job.model} is not the encoder that the cell's key names", "start the study again"
        )
    fits: dict[str, Any] = {}
    for name in job.contents["tasks"]:
        fits[name], seconds[name] = _evaluated(job, run, name, recorder)
    record = harvest(run, recorder, {k: v for k, v in fits.items() if v}, _hidden(job))
    about = {key: getattr(job, key) for key in ("system", "seed", "key", "contents", "files")}
    model = {"name": job.model_name, "digest": job.model_digest}
    machine = {"device": job.device, "seconds": seconds, "predicted": job.predicted}
    write_record(Path(job.output), {**about, "model": model, **machine, **record})
    shutil.rmtree(scratch)


def _write_settings(job: Job, scratch: Path) -> None:
    """Write the study's settings as the cell's otx.toml: recipe and system come over them."""
    tables = replace_texts(job.contents["settings"], {MATERIAL: job.material})
    (scratch / "otx.toml").write_text(tomlkit.dumps(tables), encoding="utf-8")


def _project(job: Job, more: Mapping[str, Any]) -> tuple[Settings, PluginHost]:
    own = replace_texts(job.contents["recipe"] | job.contents["set"], {MATERIAL: job.material})
    flags: dict[str, Any] = {
        "data.corpus": replace_texts(job.contents["corpora"], {MATERIAL: job.material}),
        **own,
        "encoder.model": job.model,
        "align.seed": job.seed,
        "runtime.device": job.device,
        "checkpoint.keep": 1,
        "eval.seeds": [job.seed],
        "eval.keep_models": True,
        "runs.folder": str(Path(job.scratch) / "runs"),
    }
    settings = load_settings(flags={**flags, **more}, start=Path(job.scratch))
    return settings, host(settings)


def _aligned(job: Job, settings: Settings, plugins: PluginHost, recorder: Recorder) -> RunFolder:
    """Align, or resume the alignment that a stopped process left."""
    from otx.alignment.align import align
    from otx.training.session import Session

    if job.contents["wrong"] is not None:
        corpora = _write_wrong(job, settings, plugins)
        settings, plugins = _project(job, {"data.corpus": corpora})
    folder = Path(settings.runs.folder) / RUN
    left = RunFolder(folder) if (folder / "run.json").exists() else None
    if left is not None and left.record["status"] == "finished":
        return left
    if left is None or "model_digest_before" not in left.record:
        shutil.rmtree(folder, ignore_errors=True)
        return align(Session(settings, plugins, recorder), name=RUN)
    return align(Session(settings, plugins, recorder), resume=left)


def _write_wrong(job: Job, settings: Settings, plugins: PluginHost) -> list[str]:
    """Write every corpus with a share of wrong pairs, the same for every seed, and return the prefixes."""
    from otx.data.corpora import open_corpora
    from otx.data.noise import write_noised

    folder = Path(job.scratch) / "wrong"
    shutil.rmtree(folder, ignore_errors=True)
    prefixes = []
    for corpus in open_corpora(settings.data.corpus, plugins.registry, settings, settings.data):
        prefix = folder / f"{corpus.pivot_language}-{corpus.source_language}"
        write_noised(corpus, prefix, job.contents["wrong"], seed=1)
        prefixes.append(str(prefix))
    return prefixes


def _untouched(job: Job, settings: Settings, plugins: PluginHost) -> RunFolder:
    from otx.training.factories import open_encoder

    digest = open_encoder(job.model, plugins.registry, settings).digest()
    return RunFolder.untouched(Path(settings.runs.folder), job.model, digest)


def _evaluated(
    job: Job, run: RunFolder, name: str, recorder: Recorder
) -> tuple[dict[str, Any] | None, float]:
    """Evaluate one task and return its fit, if it has one, and the seconds; the fitted model is removed."""
    from otx.evaluation.evaluate import evaluate
    from otx.evaluation.targets import Target
    from otx.training.session import Session

    done = Path(job.scratch) / f"task-{name}.json"
    if done.exists():
        fit, seconds = json.loads(done.read_text(encoding="utf-8"))
        return fit, seconds
    task = job.contents["tasks"][name]
    own, data, began = task["task"], task["data"], time.perf_counter()
    flags = {f"{own}.{key}": value for key, value in task["options"].items()}
    flags["eval.languages"] = task["languages"]
    flags[f"{own}.data"] = None if data is None else str(Path(job.material) / data)
    settings, plugins = _project(job, flags)
    recorder.part = name
    session = Session(settings, plugins, recorder)
    evaluated = evaluate(session, [own], [Target(run.record["model"], run)])
    if evaluated.faults:
        raise evaluated.faults[0]
    fit = describe_fit(run, own, job.seed, recorder.curve(name))
    seconds = time.perf_counter() - began
    # First this file: a process that is killed between the two must not ask for a fit whose model is gone.
    atomic.write(done, json.dumps([fit, seconds]).encode())
    shutil.rmtree(run.heads, ignore_errors=True)
    return fit, seconds


def _hidden(job: Job) -> dict[str, str]:
    """Return what stands for this machine's paths in a result."""
    folder = job.model.partition(":")[2] or job.model
    paths = {job.scratch: "scratch", job.material: "data"}
    own = {job.model: job.model_name, folder: job.model_name} if "/" in folder else {}
    return own | paths


def main() -> int:
    """Compute the cell that the job's file names; returns otx's exit code."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        compute(job)
    except Interrupted as stop:
        print(stop.message, file=sys.stderr)
        return stop.exit_code
    except OTXError as error:
        print(f"error: {error.message}", f"hint: {error.remedy}", sep="\n", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
