"""The service on a real port, with a registry in memory and two small models.

No test here knows the web framework: all ask over HTTP, and hold for whichever one the project has.
"""

from __future__ import annotations

import contextlib
import gc
import http.client
import json
import shutil
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from {{ cookiecutter.package }} import config, data, model
from {{ cookiecutter.package }}.registry import ModelVersion
from {{ cookiecutter.package }}.schema import COLUMNS, FEATURES, TARGET, Feature
from {{ cookiecutter.package }}.serving.server import Server
from {{ cookiecutter.package }}.serving.service import Service
from {{ cookiecutter.package }}.serving.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLE = Path(__file__).parents[1] / "data"


@dataclass
class MemoryRegistry:
    """What the service needs of a registry, with a switch for outages."""

    versions: dict[str, tuple[ModelVersion, Path]] = field(default_factory=dict)
    current: str | None = None
    down: bool = False

    def add(self, version: str, folder: Path, sha256: str) -> None:
        self.versions[version] = (ModelVersion("model", version, "run", sha256, "data", {}), folder)

    def champion(self) -> ModelVersion | None:
        if self.down:
            raise ConnectionError("http://user:secret@registry is away")
        return None if self.current is None else self.versions[self.current][0]

    def download(self, version: ModelVersion, dest: Path) -> Path:
        return Path(shutil.copytree(self.versions[version.version][1], dest, dirs_exist_ok=True))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Client:
    """Asks a running service; each request has a connection of its own."""

    port: int

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def ask(self, method: str, path: str) -> Answer:
        return self._ask(method, path, None, {})

    def post(self, path: str, body: Any) -> Answer:
        """Send an object as JSON, or bytes as they are but called JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        return self._ask("POST", path, content, {"Content-Type": "application/json"})

    def post_untyped(self, path: str, content: bytes) -> Answer:
        return self._ask("POST", path, content, {})

    def _ask(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())


@contextlib.contextmanager
def _serve(settings: Settings, registry: MemoryRegistry, send_buffer: int | None = None) -> Iterator[Client]:
    service = Service(settings, registry)
    server = Server(service)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        thread = threading.Thread(target=server.run, args=([listener],))
        service.start()
        thread.start()
        try:
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)
            service.stop()
        assert not thread.is_alive()


@contextlib.contextmanager
def _ready(settings: Settings, registry: MemoryRegistry) -> Iterator[Client]:
    """Run the service, and wait for its model."""
    with _serve(settings, registry) as running:
        wait_until(lambda: running.get("/readyz").status == 200)
        yield running


def _value(column: Feature, value: Any) -> Any:
    if pd.isna(value):
        return None
    kinds: dict[str, Callable[[Any], Any]] = {
        "integer": int,
        "boolean": bool,
        "number": float,
        "category": str,
        "date": lambda moment: moment.isoformat(),
    }
    return kinds[column.kind](value)


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a service with a new model look only at what is new: the libraries of all tests take it a while."""
    monkeypatch.setattr(gc, "unfreeze", lambda: None)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Rows of the sample in normal form, those without a gap where none is allowed."""
    frame = data.read(SAMPLE)
    full = [column.name for column in COLUMNS if not column.nullable]
    return frame.dropna(subset=[*full, TARGET]).reset_index(drop=True)


@pytest.fixture(scope="session")
def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The first rows' features as a client would send them."""
    few = rows.head(20)
    return [
        {column.name: _value(column, few[column.name].iloc[number]) for column in COLUMNS}
        for number in range(len(few))
    ]


@pytest.fixture(scope="session")
def models(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """Two models that differ, by version: their folders and hashes."""
    made = {}
    for version, trees in (("1", 2), ("2", 12)):
        folder = tmp_path_factory.mktemp(f"model-{version}")
        fitted = model.fit(config.ModelParams(kind="boosting", max_iter=trees, learning_rate=0.5), rows)
        sha256 = model.save(fitted, folder, rows=len(rows), data_version="data")
        rows[[*FEATURES, TARGET]].to_parquet(folder / "reference.parquet")
        made[version] = (folder, sha256)
    return made


def _registry(models: dict[str, tuple[Path, str]]) -> MemoryRegistry:
    filled = MemoryRegistry()
    for version, (folder, sha256) in models.items():
        filled.add(version, folder, sha256)
    filled.current = "1"
    return filled


def _settings(folder: Path, **others: Any) -> Settings:
    return Settings(
        prediction_log=str(folder / "predictions"),
        model_poll_seconds=0.05,
        max_rows=20,
        max_body_bytes=100_000,
        **others,
    )


@pytest.fixture
def registry(models: dict[str, tuple[Path, str]]) -> MemoryRegistry:
    """A registry that holds both models, the first one as champion."""
    return _registry(models)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a log of the test's own, a quick poll and small bounds."""
    return _settings(tmp_path)


@pytest.fixture
def serve() -> Callable[..., contextlib.AbstractContextManager[Client]]:
    """Run the service with some settings and a registry; stops in good order."""
    return _serve


@pytest.fixture
def client(settings: Settings, registry: MemoryRegistry) -> Iterator[Client]:
    """A running service that has its model."""
    with _ready(settings, registry) as running:
        yield running


@pytest.fixture(scope="session")
def steady(models: dict[str, tuple[Path, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One running service for all tests that only ask."""
    with _ready(_settings(tmp_path_factory.mktemp("steady")), _registry(models)) as running:
        yield running


@pytest.fixture(scope="session")
def impatient(
    models: dict[str, tuple[Path, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """One running service that waits for half a second only."""
    bounds = {"body_timeout_seconds": 0.5, "header_timeout_seconds": 0.5}
    with _ready(_settings(tmp_path_factory.mktemp("impatient"), **bounds), _registry(models)) as running:
        yield running


@pytest.fixture
def log_lines(settings: Settings) -> Callable[[str], list[dict[str, Any]]]:
    """Read what was logged of one kind."""

    def read(kind: str) -> list[dict[str, Any]]:
        files = sorted(Path(settings.prediction_log).glob(f"{kind}-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    return read


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], bool]], None]:
    return wait_until


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Fail the test unless the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
