"""Access the Hugging Face Hub: its cache if that has the files, otherwise one quiet attempt and one error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from otx.errors import DataError, MissingDataError

TIMEOUT = 10.0
"""Seconds that the Hub has to resolve a revision to a commit."""


@dataclass(frozen=True, slots=True)
class HubFiles:
    """Files of one repository of the Hub.

    Attributes:
        name: The repository, ``org/name``.
        kind: Kind of the repository.
        include: Patterns of the files; empty for all.
        exclude: Patterns of files to leave out.
    """

    name: str
    kind: Literal["model", "dataset"]
    include: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)


def cached_folder(files: HubFiles) -> Path | None:
    """Return the folder of an earlier download.

    Args:
        files: The files.

    Returns:
        The folder, which may lack some of the files; None if there is no download.
    """
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return _snapshot(files, only_cached=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def download(files: HubFiles, remedy: str) -> Path:
    """Download files that the Hub's cache lacks.

    Args:
        files: The files.
        remedy: What the user can do instead, for the error's hint.

    Returns:
        The folder with the files.

    Raises:
        DataError: If the Hub has no such repository or cannot be reached.
    """
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        return _snapshot(files, only_cached=False)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise MissingDataError(
            f"{files.name}: neither a folder here nor a {files.kind} on the Hugging Face Hub",
            f"check the name (a private {files.kind} needs `hf auth login`), or {remedy}",
        ) from error
    # The client's other errors share no base class, and each means the same here.
    except Exception as error:
        patterns = f" ({', '.join(files.include)})" if files.kind == "dataset" else ""
        raise MissingDataError(
            f"{files.name}{patterns}: not in the Hugging Face cache, and downloading it failed "
            f"({_reason(error)})",
            remedy,
        ) from error


def resolve_commit(dataset: str, revision: str | None, remedy: str) -> str:
    """Ask the Hub for the commit of a data set's revision.

    Args:
        dataset: The data set, ``org/name``.
        revision: A branch, tag or commit; None for the default branch.
        remedy: What the user can do instead, for the error's hint.

    Returns:
        The commit's hash.

    Raises:
        DataError: If the Hub cannot be reached, or does not know the revision.
    """
    import huggingface_hub

    place = dataset if revision is None else f"{dataset}, revision {revision},"
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise MissingDataError(
            f"data set {place} is not in the cache, and HF_HUB_OFFLINE is set",
            f"unset it, or {remedy}",
        )
    try:
        with quiet_client():
            api = huggingface_hub.HfApi()
            commit = api.dataset_info(dataset, revision=revision, timeout=TIMEOUT).sha
    # The client's errors share no base class, and each means the same here.
    except Exception as error:
        raise unreachable(place, error, remedy) from error
    if commit is None:
        raise DataError(f"the Hub names no commit for data set {place}", "set hub.revision")
    return commit


def unreachable(dataset: str, error: Exception, remedy: str) -> DataError:
    """Return the error for a data set that could not be loaded.

    Args:
        dataset: The data set, with its configuration or revision.
        error: The client's error.
        remedy: What the user can do instead, for the error's hint.
    """
    return DataError(
        f"data set {dataset} cannot be loaded: {type(error).__name__}: {_reason(error)}",
        f"check its name, its #CONFIG and the network, or {remedy}",
    )


@contextmanager
def quiet_client() -> Iterator[None]:
    """Let the Hub's client log no retries within the context; failures are raised."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _snapshot(files: HubFiles, *, only_cached: bool) -> Path:
    from huggingface_hub import snapshot_download

    with quiet_client():
        folder = snapshot_download(
            files.name,
            repo_type=files.kind,
            allow_patterns=files.include or None,
            ignore_patterns=files.exclude or None,
            local_files_only=only_cached,
        )
    return Path(folder)


def _reason(error: Exception) -> str:
    """Return the first sentence of the client's message: the others advise on its own settings."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.partition(". ")[0]
