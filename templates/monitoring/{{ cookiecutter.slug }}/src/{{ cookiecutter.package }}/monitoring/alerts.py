"""What Alertmanager sends: who may send it, and which alerts ask for a new model."""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path
from typing import Any

ACTION = "action"
RETRAIN = "retrain"
TOKEN_FILE = Path("alertmanager/token")


def token() -> str:
    """Return the secret that the sender must know; empty if there is none, and then nobody may send.

    It is the variable `ALERT_TOKEN`, else the content of the file that `ALERT_TOKEN_FILE` names, by default
    TOKEN_FILE. It is read each time, so that it can be replaced while the monitor runs.
    """
    if given := os.environ.get("ALERT_TOKEN"):
        return given
    try:
        return Path(os.environ.get("ALERT_TOKEN_FILE") or TOKEN_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def authorized(header: str | None, expected: str) -> bool:
    """Say whether an Authorization header carries the expected bearer token."""
    scheme, _, given = (header or "").partition(" ")
    known = hmac.compare_digest(given.strip().encode(), expected.encode())
    return bool(expected) and scheme.lower() == "bearer" and known


def fingerprints(body: bytes) -> list[str]:
    """Return the identities of those firing alerts whose label `action` is `retrain`.

    Args:
        body: of Alertmanager's webhook, version 4.

    Raises:
        ValueError: it is something else.
    """
    try:
        message: dict[str, Any] = json.loads(body)
        return [
            str(alert["fingerprint"])
            for alert in message["alerts"]
            if alert["status"] == "firing" and alert["labels"].get(ACTION) == RETRAIN
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a message of Alertmanager's webhook") from error
