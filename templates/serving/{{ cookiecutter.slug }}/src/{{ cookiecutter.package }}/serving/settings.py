"""The service's settings, each read from the environment variable of its name in capitals."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from {{ cookiecutter.package }}.errors import ConfigError

from .s3_folder import S3Folder

if TYPE_CHECKING:
    from collections.abc import Mapping


def _setting(default: float, minimum: float) -> Any:
    return field(default=default, metadata={"minimum": minimum})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator may change without touching the code.

    Attributes:
        prediction_log: where predictions and feedback are logged: a folder, or s3://bucket/prefix.
        log_spool: folder that holds the log's files until they are in the object store; one for each service.
        log_upload_seconds: age at which a file is sent there, unless it is full before.
        model_poll_seconds: how often the registry is asked for a new champion.
        max_body_bytes: largest request body.
        max_rows: most records in one request.
        body_timeout_seconds: time a client has to send its body.
        header_timeout_seconds: time a client has to send its headers.
        max_connections: connections served at once; further ones are answered 503.
        stop_timeout_seconds: time that requests in flight have to finish after SIGTERM.
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
    body_timeout_seconds: float = _setting(10.0, 0.05)
    header_timeout_seconds: float = _setting(10.0, 0.05)
    max_connections: int = _setting(512, 2)
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
        log = values.get("prediction_log", "")
        if log.startswith("s3:") and S3Folder.of(log) is None:
            problems.append(f"PREDICTION_LOG is {log!r}; it must be a folder, or s3://BUCKET/PREFIX")
        if problems:
            raise ConfigError("; ".join(problems), "correct or unset the variable and start again")
        return cls(**values)


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
