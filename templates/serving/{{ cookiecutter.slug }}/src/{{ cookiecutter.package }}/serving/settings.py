"""The service's settings, each read from the environment variable of its name in capitals."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from {{ cookiecutter.package }}.errors import ConfigError

from .s3_folder import S3Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def _setting(default: float, minimum: float) -> Any:
    return field(default=default, metadata={"minimum": minimum})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator may change without touching the code.

    Attributes:
        prediction_log: where predictions and feedback are logged: a folder, or s3://bucket/prefix.
        log_spool: folder that holds the log's files until they are in the object store.
        log_upload_seconds: age at which a file is sent there, unless it is full before.
        model_poll_seconds: how often the registry is asked for a new champion.
        max_body_bytes: largest request body.
        max_rows: most records in one request.
        max_queue: complete requests that wait for a thread or have one; further ones are answered 503. As
            many of the largest bodies may be in memory, those that still arrive included.
        max_connections: beyond it the connection that waits longest for its client is closed for a new one;
            less where the process may not open as many files.
        header_timeout_seconds: time a client has to send its headers.
        body_timeout_seconds: time a client has to send its body, and to take a large answer.
        keep_alive_seconds: time that a connection stays open for the next request. It should be longer than a
            load balancer keeps it, which else sends requests into connections that just close.
        drain_seconds: time after SIGTERM in which /readyz is 503 and requests are still answered, for load
            balancers to notice.
        stop_timeout_seconds: time after SIGTERM, the former included, in which requests in flight finish.
        log_file_bytes: size at which the prediction log starts a new file.
        log_files: most files kept of predictions, and as many of feedback; the oldest is deleted.
        log_backlog_rows: rows held in memory while the disk is slow; further ones are dropped.
        feedback_ids: predictions that are remembered, to tell clients whether a true label's is among them.
    """

    prediction_log: str = "logs/predictions"
    log_spool: Path = Path("logs/spool")
    log_upload_seconds: float = _setting(60.0, 0.05)
    model_poll_seconds: float = _setting(5.0, 0.05)
    max_body_bytes: int = _setting(1_048_576, 1024)
    max_rows: int = _setting(1000, 1)
    max_queue: int = _setting(64, 1)
    max_connections: int = _setting(2048, 2)
    header_timeout_seconds: float = _setting(10.0, 0.05)
    body_timeout_seconds: float = _setting(10.0, 0.05)
    keep_alive_seconds: int = _setting(75, 1)
    drain_seconds: float = _setting(5.0, 0)
    stop_timeout_seconds: int = _setting(20, 1)
    log_file_bytes: int = _setting(16_777_216, 4096)
    log_files: int = _setting(64, 2)
    log_backlog_rows: int = _setting(20_000, 1)
    feedback_ids: int = _setting(100_000, 1)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; what the environment leaves out or empty keeps its default.

        Raises:
            ConfigError: naming every variable that can't be used, and why.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for item in fields(cls):
            text = environment.get(item.name.upper(), "")
            if not text:
                continue
            try:
                values[item.name] = _parse(text, type(item.default), item.metadata.get("minimum"))
            except ValueError as error:
                problems.append(f"{item.name.upper()} is {text!r}; it must be {error}")
        read = cls(**values)
        problems += read._problems(environment.get("AWS_ENDPOINT_URL", ""))
        if problems:
            raise ConfigError("; ".join(problems), "correct or unset the variable and start again")
        return read

    def _problems(self, endpoint: str) -> Iterator[str]:
        if self.prediction_log.startswith("s3:") and S3Folder.of(self.prediction_log) is None:
            yield f"PREDICTION_LOG is {self.prediction_log!r}; it must be a folder, or s3://BUCKET/PREFIX"
        if endpoint and not _is_address(endpoint):
            yield f"AWS_ENDPOINT_URL is {endpoint!r}; it must be an address such as http://localhost:9000"
        if self.drain_seconds >= self.stop_timeout_seconds:
            yield (
                f"DRAIN_SECONDS is {self.drain_seconds:g}; it must be less than STOP_TIMEOUT_SECONDS,"
                f" {self.stop_timeout_seconds}"
            )


def _parse(text: str, kind: type, minimum: float | None) -> Any:
    if minimum is None:
        return kind(text)
    name = "a whole number" if kind is int else "a number"
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{name} of at least {minimum}") from None
    if not minimum <= value < float("inf"):
        raise ValueError(f"{name} of at least {minimum}")
    return value


def _is_address(text: str) -> bool:
    try:
        parsed = urlsplit(text)
        return parsed.scheme in {"http", "https"} and bool(parsed.hostname) and parsed.port != 0
    except ValueError:  # a port that is none, or brackets that don't match
        return False
