"""The model in use: follows the registry's champion without ever standing in the way of a request."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from {{ cookiecutter.package }} import model
from {{ cookiecutter.package }}.schema import FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sklearn.pipeline import Pipeline

    from {{ cookiecutter.package }}.registry import ModelVersion

LOGGER = logging.getLogger(__name__)
SLOWEST_RETRY_SECONDS = 60.0


class Registry(Protocol):
    """Where champions come from."""

    def champion(self) -> ModelVersion | None:
        """Return the version to serve, if there is one."""

    def download(self, version: ModelVersion, dest: Path) -> Path:
        """Fetch a version's files into a folder and return it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that has answered a trial prediction."""

    version: ModelVersion
    model: Pipeline


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """What a look at the registry gave: `loaded` is set when the model changed, `error` when it failed."""

    loaded: Loaded | None = None
    error: str | None = None


def _is_same(one: ModelVersion, other: ModelVersion) -> bool:
    """Whether two versions are one model: a registry that was made anew counts from 1 again."""
    return (one.version, one.sha256) == (other.version, other.sha256)


class ModelStore:
    """Keeps the champion loaded, by a thread of its own.

    A new champion replaces the old one in a single assignment, and only after it was downloaded, verified and
    tried. When the registry is away, or holds a model that can't be used, the old one goes on serving.

    Args:
        registry: where to look.
        poll_seconds: how often.
        on_event: told about every look, in the store's thread.
    """

    def __init__(
        self, registry: Registry, poll_seconds: float, on_event: Callable[[StoreEvent], None] = lambda _: None
    ) -> None:
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._on_event = on_event
        self._current: Loaded | None = None
        self._status = "the registry has not answered yet"
        self._last_error: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-store", daemon=True)

    @property
    def current(self) -> Loaded | None:
        """The model to use for a whole request; ask once per request."""
        return self._current

    @property
    def status(self) -> str:
        """Why there is no model, or that there is one, in words for a person."""
        return self._status

    def start(self) -> None:
        """Begin to look for a champion, at once and then regularly."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 2.0) -> None:
        """Stop looking. A download under way is abandoned with the process."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def refresh(self) -> StoreEvent:
        """Look once.

        Returns:
            What changed; errors are returned, since a service has to live with them.
        """
        try:
            event = self._look()
        except Exception as error:
            LOGGER.debug("looking for a champion failed", exc_info=True)
            event = StoreEvent(error=f"{type(error).__name__}: {error}")
        self._tell(event)
        self._last_error = event.error
        self._on_event(event)
        return event

    def _look(self) -> StoreEvent:
        version = self._registry.champion()
        if version is None:
            if self._current is None:
                self._status = "no model is registered as champion yet: train and register one (make train)"
            return StoreEvent()
        if self._current is not None and _is_same(self._current.version, version):
            self._status = f"serving version {version.version}"
            return StoreEvent()
        started = time.monotonic()
        loaded = Loaded(version, self._load(version))
        self._current = loaded
        self._status = f"serving version {version.version}"
        LOGGER.info(
            "version %s of %s is in use, %.1f s", version.version, version.name, time.monotonic() - started
        )
        return StoreEvent(loaded=loaded)

    def _load(self, version: ModelVersion) -> Pipeline:
        with tempfile.TemporaryDirectory(prefix="model-") as scratch:
            folder = self._registry.download(version, Path(scratch))
            pipeline = model.load(folder, version.sha256)
            # The trial catches a model made for other columns, and spares the first request the warm-up.
            model.predict(
                pipeline, pd.read_parquet(folder / "reference.parquet", columns=list(FEATURES)).head(2)
            )
        return pipeline

    def _tell(self, event: StoreEvent) -> None:
        if event.error is None:
            return
        kept = self._current
        state = "there is none yet" if kept is None else f"version {kept.version.version} stays in use"
        if event.error != self._last_error:
            LOGGER.warning("no new model, %s: %s", state, event.error)
        # Clients read the status: addresses and paths that an error may hold are for the log alone.
        self._status = f"the champion can't be loaded from the registry, {state}; the service's log says why"

    def _run(self) -> None:
        failures = 0
        pause = 0.0
        while not self._stopping.wait(pause):
            failures = failures + 1 if self.refresh().error else 0
            # After failures wait longer each time: a broken model must not be downloaded every few seconds.
            slowest = max(self._poll_seconds, SLOWEST_RETRY_SECONDS)
            pause = min(self._poll_seconds * 2 ** min(failures, 10), slowest)
