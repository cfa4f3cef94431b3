"""The commands of the laboratory: cells, run, table, collect, pack, unpack."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from otx.config.settings import load_settings
from otx.errors import DataError, Interrupted, OTXError, UsageError
from otx.plugin_host.host import host
from otx.plugin_host.registry import Registry
from scripts.laboratory.archives import collect, write_archive
from scripts.laboratory.cell import Job
from scripts.laboratory.identity import model_digest
from scripts.laboratory.keys import contents_of, files_of, key_of
from scripts.laboratory.material import Manifest, draw_material
from scripts.laboratory.records import ENDING, FAILED, read_record
from scripts.laboratory.running import Machine, Runner
from scripts.laboratory.sharing import shared_gpu
from scripts.laboratory.site import import_path
from scripts.laboratory.study import Cell, Study, read_study
from scripts.laboratory.tables import cell_list, table

LETTERS = 12
"""Number of letters of a key in the name of a cell's scratch folder."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The encoder and the data that the cells of one call share.

    Attributes:
        model: Reference of the encoder.
        digest: Digest of the encoder.
        material: Folder of the study's data.
        manifest: Manifest of the data.
    """

    model: str
    digest: str
    material: Path
    manifest: Manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of the laboratory.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        The exit code.
    """
    args = _parser().parse_args(arguments)
    try:
        registry = host(load_settings()).registry
        study = read_study(args.study, registry)
        if args.command == "run":
            return run(study, registry, args)
        if args.command == "cells":
            print(cell_list(study, registry))
        elif args.command == "table":
            print(table(study, registry))
        elif args.command == "collect":
            names = collect(study, args.archive)
            print(f"Saved {len(names)} cells to {study.results}: {', '.join(names)}")
        else:
            _pack_or_unpack(study, args)
    except OTXError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.remedy:
            print(f"hint: {error.remedy}", file=sys.stderr)
        return error.exit_code
    return 0


def run(study: Study, registry: Registry, args: argparse.Namespace) -> int:
    """Compute the study's open cells.

    Args:
        study: The study.
        registry: The registered plugins.
        args: The parsed command line of ``run``.

    Returns:
        The exit code: 0, 1 if a cell failed, or 5 if the call was interrupted.

    Raises:
        UsageError: If another call uses the same scratch folder.
    """
    scratch = (args.scratch or Path("runs") / "laboratory" / study.name).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(scratch / ".lock").acquire(timeout=0):
            return _run(study, registry, args, scratch)
    except Timeout as error:
        raise UsageError(
            f"another run uses {scratch}", "wait for it, or give another --scratch"
        ) from error


def _run(study: Study, registry: Registry, args: argparse.Namespace, scratch: Path) -> int:
    path = import_path()
    subject = _subject(study, args, scratch, path)
    jobs = open_jobs(study, registry, subject, device=args.device, scratch=scratch)
    device = args.device.partition(":")[0]
    _say(f"{len(jobs)} of {len(study.cells)} cells are open")
    done: list[Path] = []

    def finished(job: Job) -> None:
        done.append(Path(job.output))
        if args.archive is not None:
            # After every cell: a machine may be taken away at any time.
            _save(args.archive, done)

    environment = {"PYTHONPATH": os.pathsep.join(path), "OTX_CACHE": str(scratch / "cache")}
    with shared_gpu(args.device, args.workers, scratch / "mps", _say) as variables:
        machine = Machine(
            args.minutes,
            args.workers,
            study.pace.get(device, 1.0),
            {**environment, **variables},
        )
        runner = Runner(machine, _say, finished)
        outcome = runner.fill(jobs)
    failures = [study.results / f"{name}{FAILED}" for name in outcome.failed]
    if args.archive is not None:
        _save(args.archive, [*done, *failures])
        _say(f"Saved {len(done)} cells to {args.archive}")
    for what in ("finished", "failed", "stopped", "left"):
        names = getattr(outcome, what)
        _say(f"{what}: {len(names)}" + (f" ({', '.join(names)})" if names else ""))
    return Interrupted.exit_code if runner.interrupted else 1 if outcome.failed else 0


def _save(archive: Path, files: Sequence[Path]) -> None:
    """Write the archive; one that would be too large stays unchanged, and the cells continue."""
    try:
        write_archive(archive, files)
    except DataError as error:
        folder = files[-1].parent
        _say(f"{error.message}: it contains the earlier cells; the others are in {folder}")


def open_jobs(
    study: Study, registry: Registry, subject: Subject, *, device: str, scratch: Path
) -> list[Job]:
    """Return the jobs of the cells that are not finished.

    Args:
        study: The study.
        registry: The registered plugins.
        subject: The encoder and the data.
        device: Device to compute on.
        scratch: Temporary folder; folders of outdated cells in it are removed.

    Returns:
        The jobs in the order of the cells; cells that failed before come last.
    """
    jobs = []
    for cell in study.cells:
        job = _job(study, cell, registry, subject, device=device, scratch=scratch)
        output = Path(job.output)
        if not (output.exists() and read_record(output)["key"] == job.key):
            jobs.append(job)
            # Files of an older version of the cell can never be resumed.
            for folder in Path(job.scratch).parent.glob(f"{cell.name}.*"):
                if folder != Path(job.scratch):
                    shutil.rmtree(folder)
    return sorted(jobs, key=lambda job: (study.results / f"{job.name}{FAILED}").exists())


def _job(
    study: Study, cell: Cell, registry: Registry, subject: Subject, *, device: str, scratch: Path
) -> Job:
    contents = contents_of(study, cell, registry)
    files = files_of(study, cell, subject.manifest)
    key = key_of(contents, files, subject.digest)
    return Job(
        name=cell.name,
        system=cell.system,
        seed=cell.seed,
        key=key,
        contents=contents,
        files=files,
        model=subject.model,
        model_name=study.model,
        model_digest=subject.digest,
        material=str(subject.material),
        scratch=str(scratch / "cells" / f"{cell.name}.{key[:LETTERS]}"),
        output=str(study.results / f"{cell.name}{ENDING}"),
        device=device,
        predicted=cell.seconds,
    )


def _subject(study: Study, args: argparse.Namespace, scratch: Path, path: Sequence[str]) -> Subject:
    if args.pack is not None:
        from scripts.laboratory.packing import unpack

        unpacked = unpack(study, args.pack, scratch / "pack")
        digest = unpacked.digest or model_digest(study.model, path)
        model = study.model if unpacked.model is None else f"{study.model}:{unpacked.model}"
        return Subject(model, digest, unpacked.material, unpacked.manifest)
    material = scratch / "material"
    manifest = draw_material(study, args.data, material)
    return Subject(study.model, model_digest(study.model, path), material, manifest)


def _pack_or_unpack(study: Study, args: argparse.Namespace) -> None:
    from scripts.laboratory import packing

    if args.command == "unpack":
        unpacked = packing.unpack(study, args.pack, args.output)
        print(f"Saved the data to {unpacked.material}, the encoder to {unpacked.model}")
    else:
        packing.pack(study, args.data, args.output, args.wheels, dry_run=args.dry_run)


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("study", type=Path, help="the study's TOML file")
        return added

    command("cells", "List the cells with their predicted seconds and states.")
    command("table", "Print the comparison of the finished cells as Markdown.")
    running = command("run", "Compute open cells for a given number of minutes.")
    running.add_argument("--minutes", type=float, required=True)
    running.add_argument("--workers", type=int, required=True, help="number of parallel cells")
    running.add_argument("--device", default="cpu", help="cuda or cpu")
    running.add_argument("--data", type=Path, help="folder to draw the study's data from")
    running.add_argument("--pack", type=Path, help="pack with data and encoder")
    running.add_argument("--scratch", type=Path, help="folder for temporary files")
    running.add_argument("--archive", type=Path, help="also write the new results into this file")
    collecting = command("collect", "Put the results of an archive into the study's folder.")
    collecting.add_argument("archive", type=Path)
    packing = command("pack", "Pack the files that a machine without network needs.")
    packing.add_argument("--data", type=Path, help="folder to draw the study's data from")
    packing.add_argument("--output", type=Path, help="folder or FILE.tar")
    packing.add_argument("--wheels", type=Path, help="folder of wheels that the machine lacks")
    packing.add_argument("--dry-run", action="store_true", help="show rows and bytes only")
    unpacking = command("unpack", "Unpack a pack: data, and the encoder as a Hugging Face folder.")
    unpacking.add_argument("pack", type=Path)
    unpacking.add_argument("--output", type=Path, required=True)
    return parser
