"""The way to a Kubeflow Pipelines server: address, identity, time-outs, and what its refusals mean.

`KFP_ENDPOINT` is its address. Inside of a cluster and with a kubeconfig, the cluster's API server passes
requests on to it (see cluster.py). Elsewhere `KFP_CA_FILE` holds the certificates to trust, where they aren't
public ones, and `KFP_TOKEN`, or `KFP_TOKEN_FILE` for a token that is renewed, say who we are. In a pod, the
service account's own token is used if one is mounted for Kubeflow (`KF_PIPELINES_SA_TOKEN_PATH` says where).
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kfp_server_api
import urllib3

from {{ cookiecutter.package }} import cluster
from {{ cookiecutter.package }}.errors import ConfigError, ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from {{ cookiecutter.package }}.cluster import Passage

TIMEOUT = (5, 60)  # seconds: to be connected, and between two pieces of an answer
RETRIES = 2  # of a connection that can't be made; an answer that breaks off isn't asked for again
POD_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"  # noqa: S105 - where the kubelet keeps it
IDENTITY = "set KFP_TOKEN or KFP_TOKEN_FILE to a token that this server accepts"
# Kubeflow's own pages are another service of its cluster, which nobody passes on.
PAGES = "http://localhost:8080"
FORWARD = "kubectl -n kubeflow port-forward service/ml-pipeline-ui 8080:80"


class ServerError(ProjectError):
    """The Kubeflow server can't be used, or refused what was asked of it."""


class Client(kfp_server_api.ApiClient):  # type: ignore[misc] # it has no types
    """Kubeflow's own client, which by itself would wait for ever, and take a log-in page for an answer.

    Attributes:
        address: of the server, as `KFP_ENDPOINT` has it.
        passed_on: whether a cluster's API server passes requests on to it.
    """

    def __init__(self, configuration: Any, address: str, *, passed_on: bool = False) -> None:
        super().__init__(configuration)
        self.address = address
        self.passed_on = passed_on

    def request(self, *arguments: Any, **options: Any) -> Any:
        """Ask, with a time-out."""
        options["_request_timeout"] = options.get("_request_timeout") or TIMEOUT
        answer = super().request(*arguments, **options)
        kind = answer.urllib3_response.headers.get("Content-Type", "")
        if not kind.startswith("application/json"):
            raise ServerError(
                f"{self.address} answers with {kind or 'no type'}, not with JSON",
                "is KFP_ENDPOINT the address of Kubeflow Pipelines? A log-in page may stand before it: "
                + IDENTITY,
            )
        return answer


def connect() -> Client:
    """Return a client of the server in `KFP_ENDPOINT`. Nothing is asked yet.

    Raises:
        ConfigError: KFP_ENDPOINT isn't set or isn't a web address, or a file that is named isn't there, or
            can't be used.
    """
    host = os.environ.get("KFP_ENDPOINT", "").rstrip("/")
    if not host:
        raise ConfigError(
            "KFP_ENDPOINT isn't set, so there is no Kubeflow server to submit to",
            f"set it (seedbed outputs ENV --format shell), or run it here: python -m {__package__} run",
        )
    if not host.startswith(("http://", "https://")):
        raise ConfigError(f"KFP_ENDPOINT is {host!r}; it must start with http:// or https://")
    found = cluster.passage(host)
    configuration = kfp_server_api.Configuration(host=found.url if found else host)
    # A redirect leads to a log-in page.
    configuration.retries = urllib3.Retry(RETRIES, read=0, redirect=0, status=0, raise_on_redirect=False)
    if found:
        configuration.ssl_ca_cert = found.authority
        _identify(configuration, found.token())
        configuration.refresh_api_key_hook = partial(_renew, found)
        return Client(configuration, host, passed_on=True)
    if authority := os.environ.get("KFP_CA_FILE"):
        configuration.ssl_ca_cert = _file("KFP_CA_FILE", authority)
    if token := os.environ.get("KFP_TOKEN"):
        if not token.strip().isascii() or not token.strip().isprintable():
            raise ConfigError("KFP_TOKEN holds characters that no token has", "copy it again")
        _identify(configuration, token)
    elif path := _token_file():
        from kfp.client import ServiceAccountTokenVolumeCredentials

        _identify(configuration, "read at each request")
        configuration.refresh_api_key_hook = ServiceAccountTokenVolumeCredentials(path).refresh_api_key_hook
    return Client(configuration, host)


@contextmanager
def refusals(client: Client) -> Iterator[None]:
    """Turn what can go wrong between us and the server into ServerError."""
    try:
        yield
    except kfp_server_api.ApiException as error:
        raise _refusal(client, error) from error
    except urllib3.exceptions.HTTPError as error:
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, urllib3.exceptions.SSLError):
            hint = cluster.RENEW if client.passed_on else "name its authority's certificates in KFP_CA_FILE"
            raise ServerError(f"{client.configuration.host} isn't trusted: {cause}", hint) from error
        hint = "is it up (seedbed status), and reachable from here?"
        if cluster.is_inside(client.address) and not client.passed_on:
            hint = cluster.OUTSIDE
        raise ServerError(f"the Kubeflow server at {client.address} doesn't answer: {cause}", hint) from error


def _refusal(client: Client, error: Any) -> ServerError:
    host, said = client.address, _message(error)
    if error.status == 401 or 300 <= error.status < 400:  # noqa: PLR2004
        who = f"wants to know who we are (HTTP {error.status}{said})"
        if client.passed_on:
            return ServerError(f"the API server before {host} {who}", cluster.RENEW)
        return ServerError(f"{host} {who}", IDENTITY)
    if error.status == 403:  # noqa: PLR2004
        hint = "has this identity the right to, and is KFP_NAMESPACE its namespace?"
        if client.passed_on:
            hint = "is it the kubeconfig of CI's account, and is the environment up to date (seedbed up)?"
        return ServerError(f"{host} doesn't allow it{said}", hint)
    return ServerError(f"{host} refuses: HTTP {error.status}{said}", "is it up (seedbed status)?")


def _message(error: Any) -> str:
    """Return what the server said, in one line of bounded length."""
    try:
        body = json.loads(error.body)
        said = body.get("message") or body.get("error")
    except (TypeError, ValueError, AttributeError):
        said = error.body or error.reason
    if isinstance(said, bytes):
        said = said.decode(errors="replace")
    return f": {' '.join(said.split())[:500]}" if said else ""


def _identify(configuration: Any, token: str) -> None:
    configuration.api_key["authorization"] = token.strip()
    configuration.api_key_prefix["authorization"] = "Bearer"


def _renew(found: Passage, configuration: Any) -> None:
    _identify(configuration, found.token())


def _token_file() -> str | None:
    for name in ("KFP_TOKEN_FILE", "KF_PIPELINES_SA_TOKEN_PATH"):
        if path := os.environ.get(name):
            return _file(name, path)
    return POD_TOKEN if Path(POD_TOKEN).is_file() else None


def _file(variable: str, path: str) -> str:
    if not Path(path).is_file():
        raise ConfigError(f"{variable} names {path}, which isn't a file")
    return path
