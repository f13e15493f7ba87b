"""From a trained model to the champion: what a registered version is, and how a new one is judged.

This is the same wherever the registry keeps its models; `registry.py` is the module that knows where.
"""

from __future__ import annotations

import getpass
import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import git, sources
from .errors import RegistryError
from .schema import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .config import Params
    from .gate import Decision

CHAMPION = "champion"
ATTEMPTS = 3  # at a decision, when the champion changes while it is being made


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model.

    Attributes:
        name: of the registered model.
        version: its number, as text; empty for a run that registered none.
        run_id: the run that made it.
        sha256: of `model.skops`; `model.load` refuses any other file.
        data_version: DVC's identity of the training data.
        metrics: by name, on the test rows of its own run; what the training cost begins with `training_`.
        params: of the training run, by dotted name.
        commit: that was checked out; empty where Git knew none.
        changed: whether code, parameters or data differed from that commit.
        code: fingerprint of the code that trained it; empty where it wasn't recorded.
        created: ISO-8601, UTC.
        promoted: whether it became champion, by the gate or by hand; None if that isn't decided yet.
        reason: why, in one sentence.
        behind: how far it is behind the best champion before it: see `gate.Decision`.
        rolled_back: when it was rolled back, ISO-8601, UTC; empty if it wasn't, or came back since.
    """

    name: str
    version: str
    run_id: str
    sha256: str
    data_version: str
    metrics: dict[str, float]
    params: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    changed: bool = False
    code: str = ""
    created: str = ""
    promoted: bool | None = None
    reason: str = ""
    behind: float = 0.0
    rolled_back: str = ""


def trained_already(
    versions: Iterable[ModelVersion], data_version: str, params: Params
) -> ModelVersion | None:
    """Return the version that a training on this data would give again, if there is one.

    Args:
        versions: what to look through; one that the gate hasn't decided about doesn't count.
        data_version: of the data to train on.
        params: to train with.
    """
    code, given = sources.fingerprint(), {name: str(value) for name, value in params.flat().items()}
    for found in versions:
        made_of = (found.data_version, found.code, found.params)
        if found.promoted is not None and made_of == (data_version, code, given):
            return found
    return None


def figures(metrics: Mapping[str, Any], cost: Mapping[str, float]) -> dict[str, float]:
    """Return every single figure of a run by a flat name: `roc_auc`, `baseline_roc_auc`, `training_seconds`.

    Args:
        metrics: the content of metrics.json.
        cost: the content of training.json.
    """
    others = {name: values for name, values in metrics.items() if name != "model"}
    return _flat({**metrics["model"], **others, "training": cost})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}_")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found


def judge(
    models: Path,
    prepared: Path,
    metrics: Mapping[str, Any],
    params: Params,
    champion: ModelVersion | None,
    download: Callable[[ModelVersion, Path], Path],
) -> Decision:
    """Let the gate decide about a trained model.

    Args:
        models: what `stages.train` wrote.
        prepared: what `stages.prepare` wrote; the champion is measured on its test rows.
        metrics: what `stages.evaluation` returned.
        params: of the training run.
        champion: the present one, if there is one.
        download: fetches the champion's files into a folder.

    Raises:
        RegistryError: the champion can't be fetched.
        UntrustedModelError: the champion isn't the file that was registered.
    """
    from . import duel, gate, model

    decision = gate.decide(gate.scores(metrics), params.gate.tolerance)
    if champion is None or not decision.promoted:
        return decision
    with tempfile.TemporaryDirectory() as folder:
        files = download(champion, Path(folder))
        model.verified(files, champion.sha256)
        try:
            met = duel.measure(models, prepared, files, params.split.seed)
        except duel.GoneError as why:
            # Nothing in this commit can ask it: to keep it would keep nothing in use.
            reason = f"{decision.reason}; the champion, version {champion.version}, {why} and gives way"
            return replace(decision, reason=reason)
        except duel.TooFewError as why:
            reason = f"can't be compared with the champion, version {champion.version}: {why}"
            return replace(decision, promoted=False, reason=reason)
    fresh = metrics["data_version"] != champion.data_version
    met = replace(met, fresh=fresh, behind=champion.behind)
    return gate.decide(gate.scores(metrics, met), params.gate.tolerance)


def by_hand(
    version: ModelVersion,
    champion: ModelVersion | None,
    reason: str,
    download: Callable[[ModelVersion, Path], Path],
) -> Decision:
    """Return a person's decision to make a version the champion, whatever the gate said.

    Args:
        version: the one to promote.
        champion: the present one, if there is one.
        reason: theirs, for others to read.
        download: fetches the version's files into a folder.

    Raises:
        RegistryError: its files can't be fetched, or this commit's code can't ask it.
        UntrustedModelError: it isn't the file that was registered.
    """
    from . import evaluate, model, stages
    from .gate import Decision

    with tempfile.TemporaryDirectory() as folder:
        files = download(version, Path(folder))
        model.load(files, version.sha256)
        card = stages.read_json(files / model.CARD_FILE)
    if not model.has_same_columns(card):
        commit = version.commit or "COMMIT"
        raise RegistryError(
            f"version {version.version} of {PROJECT} was trained on other columns than schema.py names",
            f"promote it, and serve it, with the code that trained it: git checkout {commit}",
        )
    metric = evaluate.primary(len(card["classes"]))
    kinds = ("", "baseline_", "constant_")
    own, *others = (version.metrics.get(kind + metric, math.nan) for kind in kinds)
    same = champion is not None and champion.version == version.version
    place = "" if champion is None else f", in place of version {champion.version}"
    said = f"by hand{place}, by {_who()}: {' '.join(reason.split()) or 'no reason given'}"
    if version.promoted is False:
        said += f" (the gate had refused it: {version.reason})"
    return Decision(
        promoted=not same,
        reason="it is the champion already" if same else said,
        metric=metric,
        candidate=own,
        champion=None,
        baseline=max(others),
        version=version.version,
        unchanged=same,
    )


def repeated(decision: Decision, champion: ModelVersion | None) -> Decision:
    """Return the answer to a model that the registry knows already: nothing was changed.

    Args:
        decision: the present answer of the gate, or that of then for a version that was promoted once.
        champion: the present one.
    """
    if not decision.promoted:
        state = f"the gate refuses it: {decision.reason}"
    elif champion is not None and champion.version == decision.version:
        state = "it is the champion"
    else:
        again = f"make promote VERSION={decision.version}"
        state = f"it was champion before; to make it that again: {again}"
    reason = f"this training gave the very same model, byte for byte, and {state}"
    return replace(decision, promoted=False, unchanged=True, reason=reason)


def unsettled(version: str) -> RegistryError:
    """Return the error for a champion that changed with every attempt at a decision."""
    return RegistryError(
        f"version {version} of {PROJECT} is registered, but its promotion isn't decided: "
        f"the champion changed {ATTEMPTS} times while the two were compared",
        "others promote or roll back right now; register again when they are done",
    )


def overtaken(what: str) -> RegistryError:
    """Return the error for a champion that changed while a person put another in its place."""
    return RegistryError(
        f"the champion of {PROJECT} changed while {what}",
        "look at it, and do it again if it has to be: make versions",
    )


def unknown(number: str) -> RegistryError:
    """Return the error for a version that isn't there."""
    return RegistryError(f"{PROJECT} has no version {number!r}", "these are listed by: make versions")


def nothing_to_roll_back(champion: str = "") -> RegistryError:
    """Return the error for a champion that none came before, or for none at all."""
    if not champion:
        return RegistryError(f"{PROJECT} has no champion", "train and register a model first: make train")
    return RegistryError(
        f"version {champion} of {PROJECT} is the first champion: none came before",
        "to put another in its place: make promote VERSION=number",
    )


def pushed(before: str, champion: str) -> str:
    """Add the champion that a version takes the place of to those of its earlier promotions.

    A version can become champion more than once, and each rollback undoes the last time.
    """
    return ",".join(filter(None, (champion, before)))


def popped(before: str) -> tuple[str, str]:
    """Return the champion that a version took the place of last, and those of its earlier promotions."""
    last, _, earlier = before.partition(",")
    return last, earlier


def _who() -> str:
    """Return who runs this: as Git knows them, else as the system does."""
    try:
        return git.author() or getpass.getuser()
    except (KeyError, OSError):
        return "someone unknown"
