"""`otx plugins check`: check an objective, encoder, corpus or task against its interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otx.cli import flags
from otx.cli.console import screen
from otx.cli.context import open_project
from otx.did_you_mean import remedy
from otx.errors import OTXError, PluginError, UsageError
from otx.plugin_host.absent import canonical
from otx.plugin_host.attribution import attributed
from otx.plugin_host.registry import KINDS, Entry

if TYPE_CHECKING:
    from otx.config.settings import Settings
    from otx.plugin_host.host import PluginHost

DIMENSION = 16
"""Length of the random vectors that objectives are checked with."""

Passed = Callable[[str], None]
"""Called with the name of each check that passed."""


@dataclass(slots=True)
class Outcome:
    """Result of checking one object.

    Attributes:
        entry: The registered object.
        passed: Names of the checks that it passed.
        error: The error that ended the checks; None if it passed all of them.
    """

    entry: Entry
    passed: list[str] = field(default_factory=list)
    error: OTXError | None = None


def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="An objective, encoder, corpus or task, or a plugin, to check everything that it registers. "
            "NAME:REST gives an encoder or corpus what it opens.",
        ),
    ],
    sets: flags.Sets = None,
    json: flags.Json = False,
) -> None:
    """Check that what a plugin registers keeps its interface (otx.interfaces).

    A task needs its data: --set TASK.data=DIR.
    """
    settings, host = open_project({}, sets or [])
    entries, rest = find_entries(name, host)
    outcomes = []
    for entry in entries:
        outcome = Outcome(entry)
        outcomes.append(outcome)
        if not json:
            screen.result(str(entry.owner))
        _run(outcome, rest, host, settings, quiet=json)
    if json:
        screen.json([_plain(outcome) for outcome in outcomes])
    codes = [outcome.error.exit_code for outcome in outcomes if outcome.error is not None]
    if codes:
        raise typer.Exit(max(codes))


def find_entries(name: str, host: PluginHost) -> tuple[list[Entry], str]:
    """Find the objects that a name refers to.

    Args:
        name: The name of an object or of a plugin, with ``DIST:`` before it and, for an encoder or corpus, ``:REST``
            after it.
        host: The plugins.

    Returns:
        The objects, of any kind, and what an encoder or corpus shall open.

    Raises:
        UsageError: If nothing has this name.
        PluginError: If the plugin was not loaded.
    """
    registry = host.registry
    entries = [entry for kind in KINDS if kind != "recipe" for entry in registry.entries(kind)]
    owner, bare, rest = "", *name.partition(":")[::2]
    names = {entry.name for entry in entries}
    if bare not in names and rest:
        owner, (bare, _, rest) = f"{bare}:", rest.partition(":")
    kinds = dict.fromkeys(entry.kind for entry in entries if entry.name == bare)
    if kinds:
        return [registry.find(kind, owner + bare) for kind in kinds], rest
    for record in host.records:
        if name in (record.name, record.distribution, f"{record.distribution}:{record.name}"):
            if record.status != "loaded":
                raise PluginError(
                    f"plugin {record.name} is {record.status}: {record.error}", "see otx doctor"
                )
            owned = [
                e for e in entries if canonical(e.distribution) == canonical(record.distribution)
            ]
            return owned, ""
    known = names | {record.name for record in host.records}
    raise UsageError(
        f"no objective, encoder, corpus, task or plugin is named '{name}'", remedy(name, known)
    )


def _run(outcome: Outcome, rest: str, host: PluginHost, settings: Settings, *, quiet: bool) -> None:
    def passed(check: str) -> None:
        outcome.passed.append(check)
        if not quiet:
            screen.result(f"  pass  {check}")

    try:
        with attributed(outcome.entry.owner):
            _checks(outcome.entry, rest, host, settings, passed)
    except OTXError as error:
        outcome.error = error
        if not quiet:
            word = "FAIL" if isinstance(error, PluginError) else "not checked:"
            screen.result(f"  {word}  {error}")


def _checks(entry: Entry, rest: str, host: PluginHost, settings: Settings, passed: Passed) -> None:
    from otx.testing import check_corpus, check_encoder, check_objective, check_task
    from otx.training.factories import DEFAULT_ENCODER, open_encoder

    options = entry.read_options(settings)
    if entry.kind == "objective":
        check_objective(lambda: entry.make(options, DIMENSION), dimension=DIMENSION, passed=passed)
    elif entry.kind == "encoder":
        if entry.name == DEFAULT_ENCODER and not rest:
            raise UsageError(f"{entry.name} needs a model to open", f"name one: {entry.name}:PATH")
        check_encoder(
            lambda reference: entry.make(reference, options), rest or entry.name, passed=passed
        )
    elif entry.kind == "corpus":
        check_corpus(lambda: entry.make(rest, options, settings.data.pivot), passed=passed)
    else:
        encoder = open_encoder(settings.encoder.model, host.registry, settings)
        check_task(lambda: entry.make(options), encoder, passed=passed)


def _plain(outcome: Outcome) -> dict[str, Any]:
    entry, error = outcome.entry, outcome.error
    return {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "passed": outcome.passed,
        "error": None if error is None else error.message,
    }
