"""Where a cluster's API server is and how it proves who it is, by the kubeconfig of the person who runs this."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from mlops_platform.errors import PlatformError

_LIMIT = 1 << 20  # bytes: the largest kubeconfig or file of certificates that is read
_LIST = "kubectl config get-contexts"
_BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class ApiServer:
    """A cluster's API server.

    Attributes:
        url: its https:// address.
        authority: certificates that it is trusted by, as PEM; empty: those that every program trusts; None: the
            kubeconfig trusts whoever answers.
        server_name: that its certificate names; empty: the one in its address.
    """

    url: str
    authority: str | None
    server_name: str = ""


def in_namespace(kubeconfig: str, namespace: str) -> str:
    """A kubeconfig whose contexts are in a namespace; nothing else of it changes.

    Args:
        kubeconfig: the text of it, YAML or JSON.
        namespace: its name.
    """
    content = yaml.safe_load(kubeconfig)
    for named in content["contexts"]:
        named["context"]["namespace"] = namespace
    return json.dumps(content, sort_keys=True)


def find(context: str, environment: Mapping[str, str] | None = None) -> ApiServer:
    """The API server of a context, found as kubectl finds it: in the files that KUBECONFIG names, or ~/.kube/config.

    Args:
        context: its name.
        environment: the environment variables; None: this process's own.

    Raises:
        PlatformError: there is no such context, or what is said of it can't be used.
    """
    files = list(_read(_paths(os.environ if environment is None else environment)))
    contexts = dict(_named(files, "context"))
    if context not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise PlatformError(
            f"No kubeconfig has a context {context!r}; there are: {known}",
            f"Choose one of them (pulumi config set context NAME), or name the file that has it in KUBECONFIG: {_LIST}",
        )
    name = contexts[context][1].get("cluster")
    clusters = dict(_named(files, "cluster"))
    if name not in clusters:
        raise _broken(contexts[context][0], f"context {context!r} names a cluster that isn't there: {name!r}")
    return _server(*clusters[name])


def _paths(environment: Mapping[str, str]) -> list[Path]:
    given = [Path(path) for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]
    return given or [Path.home() / ".kube" / "config"]


def _read(paths: Iterable[Path]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Those of the files that there are, as kubectl goes on without the others."""
    for path in paths:
        if not path.is_file():
            continue
        try:
            content = yaml.safe_load(_bytes(path))
        except (yaml.YAMLError, RecursionError) as error:
            problem = " ".join(str(error).split("\n", 1)[0].split())  # its later lines may quote a key
            raise _broken(path, f"it isn't YAML: {problem}") from None
        if content is None:
            continue
        if not isinstance(content, dict):
            raise _broken(path, "it holds no mapping")
        yield path, content


def _named(files: Iterable[tuple[Path, Mapping[str, Any]]], kind: str) -> Iterator[tuple[str, tuple[Path, Any]]]:
    """Each context or cluster by its name, the first of a name last, so that it stays in a dictionary."""
    found = []
    for path, content in files:
        for entry in content.get(f"{kind}s") or []:
            if not isinstance(entry, dict) or not isinstance(entry.get(kind), dict):
                raise _broken(path, f"an entry of {kind}s is incomplete")
            found.append((str(entry.get("name")), (path, entry[kind])))
    return reversed(found)


def _server(path: Path, cluster: Mapping[str, Any]) -> ApiServer:
    url = str(cluster.get("server") or "").rstrip("/")
    if not _secure(url):
        raise _broken(path, f"the server's address must be https://, to keep tokens secret, and is {url!r}")
    name = str(cluster.get("tls-server-name") or "")
    if cluster.get("insecure-skip-tls-verify"):
        return ApiServer(url, None, name)
    if data := cluster.get("certificate-authority-data"):
        try:
            authority = base64.b64decode(data, validate=True).decode()
        except (TypeError, ValueError):
            raise _broken(path, "certificate-authority-data isn't base64 of a certificate") from None
    elif file := cluster.get("certificate-authority"):
        authority = _bytes(path.parent / str(file)).decode(errors="replace")
    else:
        return ApiServer(url, "", name)
    if _BEGIN not in authority:
        raise _broken(path, "its certificate authority is no PEM certificate")
    return ApiServer(url, authority, name)


def _secure(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or brackets without an address
        return False


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise _broken(path, f"it can't be read: {error.strerror}") from None
    if len(content) > _LIMIT:
        raise _broken(path, f"it is larger than {_LIMIT} bytes")
    return content


def _broken(path: Path, problem: str) -> PlatformError:
    return PlatformError(f"The kubeconfig {path} can't be used: {problem}", f"Correct it; is this its file? {_LIST}")
