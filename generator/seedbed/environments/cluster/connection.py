"""A connection to the API server of a kubeconfig's context: bounded in time, with errors that say what to do."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from seedbed.environments.cluster.errors import (
    ClusterError,
    CredentialsRefusedError,
    NoSuchContextError,
    NotAllowedError,
    UnreachableError,
)

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0
# A credential plugin may open a browser and wait for a person.
_CREDENTIAL_SECONDS = 120.0
_PAGE = 500
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _FAILED = 401, 403, 404, 400


class Api:
    """JSON in and out of an API server.

    Every method raises `UnreachableError` when no server answers within seconds, `CredentialsRefusedError` on 401,
    `NotAllowedError` on 403 and `ClusterError` on another refusal.

    Attributes:
        context: the kubeconfig's name for the cluster.
        server: its URL.
    """

    def __init__(self, context: str, client: ApiClient, credential_problem: str = "") -> None:
        self.context = context
        self.server = str(client.configuration.host)
        self._client = client
        self._credential_problem = credential_problem

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """The object or list at a path, such as "/api/v1/namespaces/default"."""
        return self._call("GET", path, query)

    def find(self, path: str) -> dict[str, Any] | None:
        """The object at a path, or None when there is none."""
        try:
            return self.get(path)
        except _AbsentError:
            return None

    def items(self, path: str, *, selector: str = "", whole: bool = True) -> Iterator[dict[str, Any]]:
        """All objects of a list, page by page.

        Args:
            path: of the list.
            selector: labels that they must carry.
            whole: False gives their metadata alone, so that no content, and no secret, is fetched.
        """
        accept = "application/json"
        if not whole:
            accept = f"{accept};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        query: dict[str, str | int] = {"limit": _PAGE}
        if selector:
            query["labelSelector"] = selector
        while True:
            page = self._call("GET", path, query, accept=accept)
            yield from page.get("items") or ()
            if not (token := page.get("metadata", {}).get("continue")):
                return
            query["continue"] = token

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send an object, such as a review, and give the server's answer."""
        return self._call("POST", path, {}, body=body)

    def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str | int],
        *,
        body: dict[str, Any] | None = None,
        accept: str = "application/json",
    ) -> dict[str, Any]:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": accept, "User-Agent": "seedbed", "Content-Type": "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], "", method, None)
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            with warnings.catch_warnings():
                # `insecure-skip-tls-verify` is the person's own choice, in their kubeconfig.
                warnings.simplefilter("ignore")
                answer = self._client.call_api(
                    method, url, headers, body=body, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
                )
                content: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (HTTPError, ApiException, OSError) as error:
            raise UnreachableError(
                f"The cluster of context '{self.context}' can't be reached at {self.server}: {_why(error)}",
                hint=f"Check the network, a VPN, and `kubectl --context {self.context} version`.",
            ) from error
        if answer.status >= _FAILED:
            raise self._refusal(answer.status, path, content)
        found: dict[str, Any] = json.loads(content)
        return found

    def _refusal(self, status: int, path: str, content: bytes) -> ClusterError:
        try:
            said = str(json.loads(content)["message"])
        except (ValueError, KeyError, TypeError):
            said = content[:200].decode(errors="replace").strip()
        if status == _UNAUTHORIZED or (status == _FORBIDDEN and self._credential_problem):
            problem = f": {self._credential_problem}" if self._credential_problem else ""
            return CredentialsRefusedError(
                f"The cluster of context '{self.context}' refuses your credentials{problem}",
                hint="Log in again by the way your cluster's provider gives, then try"
                f" `kubectl --context {self.context} auth whoami`.",
            )
        if status == _FORBIDDEN:
            return NotAllowedError(self.context, said)
        if status == _NOT_FOUND:
            return _AbsentError(f"The cluster of context '{self.context}' has no {path}")
        return ClusterError(
            f"The cluster of context '{self.context}' answered {status} to {path}: {said}",
            hint="Try again; if it stays, the cluster itself needs repair.",
        )


class _AbsentError(ClusterError):
    """404."""


def connect(context: str) -> Api:
    """Reach the cluster of a context, as `kubectl --context` does: KUBECONFIG, several files, credential plugins.

    Raises:
        NoSuchContextError: there is no such context, or no kubeconfig.
        CredentialsRefusedError: the server answered 401, or the context's credential plugin failed.
        UnreachableError: no server answered.
        ClusterError: it answered with something else.
    """
    api = _load(context)
    with suppress(NotAllowedError):  # it is there all the same
        api.get("/version")
    return api


def server_of(context: str) -> str | None:
    """The URL that a context stands for; None when there is no such context."""
    with _kubeconfig(context) as (contexts, clusters):
        cluster = next((c["context"]["cluster"] for c in contexts if c["name"] == context), None)
        return next((str(c["cluster"]["server"]) for c in clusters if c["name"] == cluster), None)


def kubeconfig_files() -> str:
    """The path, or paths with colons between, that the kubeconfig is read from."""
    return os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())


@contextmanager
def _kubeconfig(context: str) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Contexts and clusters of the kubeconfig; its own flaws become one error."""
    import yaml
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigMerger

    where = kubeconfig_files()
    try:
        merged = KubeConfigMerger(where).config  # type: ignore[no-untyped-call]
        if merged is None:
            raise NoSuchContextError(
                f"There is no kubeconfig at {where}, and the environment needs its context '{context}'",
                hint="Get one from your cluster's provider (kind get kubeconfig, aws eks update-kubeconfig, ...).",
            )
        value = merged.value
        yield list(value.get("contexts") or ()), list(value.get("clusters") or ())
    except (ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, AttributeError) as error:
        raise NoSuchContextError(
            f"The kubeconfig {where} can't be read: {error}", hint="Check it with `kubectl config view`."
        ) from error


def _load(context: str) -> Api:
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException, load_kube_config
    from urllib3 import Retry

    with _kubeconfig(context) as (contexts, _):
        names = sorted(str(known["name"]) for known in contexts)
    if context not in names:
        raise NoSuchContextError(
            f"The kubeconfig {kubeconfig_files()} has no context '{context}'",
            hint=(f"It has: {', '.join(names)}. " if names else "It has none. ")
            + "Set `context` of the environment in seedbed.toml to the one you mean.",
            details={"contexts": names},
        )
    configuration = Configuration()
    configuration.retries = Retry(0)
    try:
        with _logged() as problems:
            load = partial(load_kube_config, kubeconfig_files(), context, configuration, persist_config=False)
            _in_time(load, context)
    except (ConfigException, OSError, ValueError) as error:
        raise CredentialsRefusedError(
            f"The credentials of context '{context}' can't be read: {error}",
            hint=f"Try `kubectl --context {context} auth whoami`.",
        ) from error
    return Api(context, ApiClient(configuration), "; ".join(problems))


def _in_time(load: Callable[[], object], context: str) -> None:
    """Run `load`, and stop waiting for the credential plugin that it may start after two minutes."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            load()
        except Exception as error:  # noqa: BLE001 - raised again below
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_CREDENTIAL_SECONDS)
    if thread.is_alive():
        raise CredentialsRefusedError(
            f"The credential plugin of context '{context}' did not end within {_CREDENTIAL_SECONDS:.0f} s",
            hint=f"Try `kubectl --context {context} auth whoami`.",
        )
    if raised:
        raise raised[0]


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What is logged as an error meanwhile: the client reports a failed credential plugin in no other way."""
    found: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield found
    finally:
        root.removeHandler(handler)


def _why(error: BaseException) -> str:
    """The cause of a failed connection in words."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = getattr(link, "reason", None) if isinstance(getattr(link, "reason", None), BaseException) else (
            link.__cause__ or link.__context__
        )  # fmt: skip
    text = " ".join(str(link) for link in chain)
    if any(isinstance(link, ssl.SSLError) for link in chain) or "SSL" in text:
        return f"its TLS certificate is not the one that the kubeconfig expects ({str(chain[-1])[:160]})"
    if any(isinstance(link, socket.gaierror) for link in chain) or "resolve" in text.lower():
        return "its host name is not known"
    if any(isinstance(link, ConnectionRefusedError) for link in chain):
        return "the connection was refused"
    if any(isinstance(link, TimeoutError) for link in chain) or "timed out" in text.lower():
        return "it did not answer in time"
    return str(chain[-1])[:200] or type(chain[-1]).__name__
