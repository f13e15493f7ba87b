"""The model registry, in plain files: a folder of this project, or `s3://$ARTIFACT_BUCKET/registry`.

    models/<sha256>/    a model's files, and the reports of the run that made it
    versions/7.json     what is known about version 7: written once, after its files, and never changed
    registry.json       the champion, and what was decided about each version

`registry.json` changes only if nobody else changed it since it was read: a decision that was made against
another champion is made anew.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import git, promotion, sources
from .errors import RegistryError
from .promotion import CHAMPION, ModelVersion
from .schema import PROJECT
from .storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .config import Params
    from .gate import Decision
    from .storage import Storage

__all__ = ["ModelVersion", "champion", "download", "find", "promote", "register", "rollback", "versions"]

STATE = "registry.json"
FILES = ("model.skops", "model.json", "reference.parquet")
CLAIMS = 100  # attempts at the next free number


@dataclass(frozen=True, slots=True)
class _State:
    """The content of `registry.json`.

    Attributes:
        champion: its number; empty if there is none.
        decisions: by number, the fields of the last decision, the gate's or a person's; `decided_at`;
            `champion_before` where it was promoted: see `promotion.pushed`; and `rolled_back_at`.
        tag: of the object as it was read; None if it isn't there yet.
    """

    champion: str
    decisions: dict[str, dict[str, Any]]
    tag: str | None

    def write(self, storage: Storage) -> bool:
        content = {"champion": self.champion, "decisions": self.decisions}
        return storage.write(STATE, _json(content), self.tag)

    def after(self, decision: Decision) -> _State:
        """Return what the state becomes by a decision."""
        number = decision.version
        entry, champion = asdict(decision) | {"decided_at": _now()}, self.champion
        if decision.promoted:
            before = self.decisions.get(number, {}).get("champion_before", "")
            entry["champion_before"] = promotion.pushed(before, champion)
            champion = number
        return replace(self, champion=champion, decisions=self.decisions | {number: entry})


def champion() -> ModelVersion | None:
    """Return the version in use, or None if no model was promoted yet.

    Raises:
        RegistryError: the registry can't be reached, or is damaged.
    """
    storage = open_storage()
    return _champion(storage, _state(storage))


def versions(limit: int = 20) -> list[ModelVersion]:
    """Return the latest versions, the newest first.

    Raises:
        RegistryError: the registry can't be reached, or is damaged.
    """
    storage = open_storage()
    state = _state(storage)
    return [_version(storage, str(number), state) for number in _numbers(storage)[:limit]]


def find(name: str) -> ModelVersion | None:
    """Return a version by its number or by the id of its run, or the one in use by `champion`.

    Raises:
        RegistryError: the registry can't be reached, or is damaged.
    """
    storage = open_storage()
    state = _state(storage)
    if name == CHAMPION:
        return _champion(storage, state)
    for number in map(str, _numbers(storage)):
        if name == number:
            return _version(storage, number, state)
    return next((found for found in _all(storage, state) if found.run_id == name), None)


def download(version: ModelVersion, dest: Path) -> Path:
    """Fetch a model's files.

    Args:
        version: from `champion`.
        dest: made if it isn't there.

    Returns:
        The folder with `model.skops`, `model.json` and `reference.parquet`.

    Raises:
        RegistryError: the registry can't be reached, or lacks a file.
    """
    storage = open_storage()
    dest.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (dest / name).write_bytes(_read(storage, f"models/{version.sha256}/{name}"))
    return dest


def register(
    models: Path, prepared: Path, metrics: Mapping[str, Any], reports: Path, params: Params
) -> Decision:
    """Store a trained model as a new version, and let the gate decide whether it becomes the champion.

    Registering the same model again changes nothing. Only one that was never promoted is judged again: the
    champion and the tolerance may be others by now.

    Args:
        models: what `stages.train` wrote.
        prepared: what `stages.prepare` wrote; the champion is measured on its test rows.
        metrics: what `stages.evaluation` returned.
        reports: files to keep with the model: cards, validation, plots.
        params: of the training run.

    Raises:
        RegistryError: the registry can't be reached, is damaged, or its champion keeps changing.
        UntrustedModelError: the champion isn't the file that was registered.
    """
    from . import model, stages

    storage = open_storage()
    card = stages.read_json(models / stages.MODEL / model.CARD_FILE)
    state = _state(storage)
    known = (found for found in _all(storage, state) if found.sha256 == card["sha256"])
    version = next(known, None) or _add(storage, models, metrics, reports, params, card)
    number = version.version
    for _ in range(promotion.ATTEMPTS):
        present = _champion(storage, state)
        decided = _decided(state, number)
        if decided is not None and decided.promoted:
            return promotion.repeated(decided, present)
        decision = promotion.judge(models, prepared, metrics, params, present, download)
        decision = replace(decision, version=number)
        if decided is not None and not decision.promoted:
            return promotion.repeated(decision, present)
        if state.after(decision).write(storage):
            return decision
        state = _state(storage)
    raise promotion.unsettled(number)


def promote(number: str, reason: str) -> Decision:
    """Make a version the champion by hand, whatever the gate said about it.

    Args:
        number: of the version.
        reason: for others to read.

    Raises:
        RegistryError: there is no such version, it can't be used here, or the registry changed meanwhile.
        UntrustedModelError: it isn't the file that was registered.
    """
    storage = open_storage()
    state = _state(storage)
    if number not in map(str, _numbers(storage)):
        raise promotion.unknown(number)
    version, present = _version(storage, number, state), _champion(storage, state)
    decision = promotion.by_hand(version, present, reason, download)
    if not decision.unchanged and not state.after(decision).write(storage):
        raise promotion.overtaken(f"version {number} was promoted")
    return decision


def rollback() -> ModelVersion:
    """Make the champion of before the champion again.

    Raises:
        RegistryError: there is no champion, none before it, or the registry changed in this moment.
    """
    storage = open_storage()
    state = _state(storage)
    number = state.champion
    if not number:
        raise promotion.nothing_to_roll_back()
    entry = state.decisions[number]
    before, earlier = promotion.popped(entry.get("champion_before", ""))
    if not before:
        raise promotion.nothing_to_roll_back(number)
    target = _version(storage, before, state)
    entry = entry | {"champion_before": earlier, "rolled_back_at": _now()}
    if not replace(state, champion=before, decisions=state.decisions | {number: entry}).write(storage):
        raise promotion.overtaken(f"version {number} was rolled back")
    return target


def _add(
    storage: Storage,
    models: Path,
    metrics: Mapping[str, Any],
    reports: Path,
    params: Params,
    card: Mapping[str, Any],
) -> ModelVersion:
    """Store a model's files, and then what is known about it under the next free number."""
    from . import stages

    home = f"models/{card['sha256']}"
    for name in FILES:
        storage.put(f"{home}/{name}", (models / stages.MODEL / name).read_bytes())
    for path in sorted(path for path in reports.rglob("*") if path.is_file()):
        storage.put(f"{home}/reports/{path.relative_to(reports).as_posix()}", path.read_bytes())
    version = ModelVersion(
        name=PROJECT,
        version="",
        run_id=uuid.uuid4().hex,
        sha256=card["sha256"],
        data_version=card["data_version"],
        metrics=promotion.figures(metrics, stages.read_json(reports / stages.TRAINING)),
        params={name: str(value) for name, value in params.flat().items()},
        commit=git.commit(),
        changed=git.changed(),
        code=sources.fingerprint(),
        created=_now(),
    )
    first = next(iter(_numbers(storage)), 0) + 1
    for number in range(first, first + CLAIMS):
        claimed = replace(version, version=str(number))
        if storage.write(f"versions/{number}.json", _json(asdict(claimed)), None):
            return claimed
    raise RegistryError(f"no number was free for a new version of {PROJECT}", "register again")


def _state(storage: Storage) -> _State:
    stored = storage.read(STATE)
    if stored is None:
        return _State("", {}, None)
    content = _parsed(STATE, stored.content)
    try:
        return _State(content["champion"], content["decisions"], stored.tag)
    except KeyError as error:
        raise RegistryError(f"{STATE} has no {error}", "restore its version of before") from None


def _champion(storage: Storage, state: _State) -> ModelVersion | None:
    return _version(storage, state.champion, state) if state.champion else None


def _version(storage: Storage, number: str, state: _State) -> ModelVersion:
    content = _parsed(f"versions/{number}.json", _read(storage, f"versions/{number}.json"))
    decision = state.decisions.get(number, {})
    known = {field.name for field in fields(ModelVersion)}
    try:
        version = ModelVersion(**{name: value for name, value in content.items() if name in known})
    except TypeError as error:
        raise RegistryError(f"versions/{number}.json is incomplete: {error}") from None
    return replace(
        version,
        promoted=decision.get("promoted"),
        reason=decision.get("reason", ""),
        behind=decision.get("behind", 0.0),
        rolled_back=decision.get("rolled_back_at", ""),
    )


def _all(storage: Storage, state: _State) -> list[ModelVersion]:
    return [_version(storage, str(number), state) for number in _numbers(storage)]


def _numbers(storage: Storage) -> list[int]:
    """Return the numbers of all versions, the newest first."""
    names = (name.removesuffix(".json") for name in storage.names("versions"))
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _decided(state: _State, number: str) -> Decision | None:
    from .gate import Decision

    entry = state.decisions.get(number)
    if entry is None:
        return None
    known = {field.name for field in fields(Decision)}
    return Decision(**{name: value for name, value in entry.items() if name in known})


def _read(storage: Storage, key: str) -> bytes:
    stored = storage.read(key)
    if stored is None:
        raise RegistryError(f"the registry has no {key}", "restore it, or use another version: make versions")
    return stored.content


def _parsed(name: str, content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError as error:
        raise RegistryError(f"{name} is damaged: {error}", "restore its version of before") from error
    if not isinstance(parsed, dict):
        raise RegistryError(f"{name} is damaged: it holds no object", "restore its version of before")
    return parsed


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
