"""Who the environment is to a Kubeflow Pipelines that somebody else runs, by the word of whoever runs `up`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_platform.errors import PlatformError

# What a project's own commands read, for the same server.
TOKEN_VARIABLE, TOKEN_FILE_VARIABLE = "KFP_TOKEN", "KFP_TOKEN_FILE"
AUTHORITY_VARIABLE, NAMESPACE_VARIABLE = "KFP_CA_FILE", "KFP_NAMESPACE"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a client of the server has to bring; what is empty isn't asked for.

    Attributes:
        token: that the server accepts.
        authority: certificates that the server's own was signed by, as PEM; empty: a public authority.
        namespace: that runs belong to, on a server for several teams.
    """

    token: str = ""
    authority: str = ""
    namespace: str = ""


def read(environment: Mapping[str, str] | None = None) -> Identity:
    """Read it out of environment variables.

    Args:
        environment: in place of the process's own variables.

    Raises:
        PlatformError: a file that is named can't be read, or is empty.
    """
    variables = os.environ if environment is None else environment
    token = variables.get(TOKEN_VARIABLE, "").strip() or _content(variables, TOKEN_FILE_VARIABLE)
    return Identity(
        token=token,
        authority=_content(variables, AUTHORITY_VARIABLE),
        namespace=variables.get(NAMESPACE_VARIABLE, ""),
    )


def _content(variables: Mapping[str, str], name: str) -> str:
    if not (path := variables.get(name, "")):
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(
            f"{name} names {path}, which can't be read: {error}",
            f"Correct {name}, or unset it where the server of pipelinesHost asks nobody who they are.",
        ) from error
    if not text:
        raise PlatformError(f"{name} names {path}, which is empty", f"Write it anew, or unset {name}.")
    return text
