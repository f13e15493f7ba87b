"""The way to a service inside of a Kubernetes cluster, from outside: through the cluster's API server.

An environment's outputs name such services as the cluster's own programs do: http://NAME.NAMESPACE.svc:PORT.
They are not published, and the API server passes requests on to them for those whom it knows.
`KUBECONFIG_CONTENT` (the text of a kubeconfig) or `KUBECONFIG` (its path) says where it is, and who we are;
~/.kube/config, which may be about any cluster, is left alone. Without one, addresses are used as they are:
inside of the cluster that is right.
"""

from __future__ import annotations

{% if cookiecutter.tracking -%}
import contextlib
{% endif -%}
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import {% if cookiecutter.tracking %}Iterator, {% endif %}Mapping

VARIABLES = ("KUBECONFIG_CONTENT", "KUBECONFIG")
RENEW = (
    "set KUBECONFIG_CONTENT to what `seedbed forward ENV printenv KUBECONFIG_CONTENT` prints, "
    "or run this by `seedbed forward ENV`"
)
OUTSIDE = f"it is inside of a cluster: {RENEW}"
{%- if cookiecutter.tracking %}
READING = f"CI's account may read it, and nothing more; if it isn't accepted, {RENEW}"
{%- endif %}
_BEARER = "Bearer "
_INSIDE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.cluster\.local)?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Passage:
    """A service as the API server passes requests on to it.

    Attributes:
        url: under which it does.
        authority: path of the certificates by which the API server is trusted; None: those that every program
            trusts.
    """

    url: str
    authority: str | None
    _settings: Any

    def token(self) -> str:
        """Return the token that says who we are; before it ends, the kubeconfig's program is asked again.

        Raises:
            ConfigError: there is none.
        """
        found = self._settings.get_api_key_with_prefix("authorization") or ""
        if not found.startswith(_BEARER):
            raise ConfigError(
                "the kubeconfig gives no token",
                "if it names a program to log in with (on AWS `aws`, as CI's role), what that said is above; "
                f"else {RENEW}",
            )
        return str(found.removeprefix(_BEARER))


def is_inside(address: str) -> bool:
    """Say whether an address is one that only the programs of a cluster find."""
    return _inside(address) is not None


def passage(address: str, variables: Mapping[str, str] = os.environ) -> Passage | None:
    """Return the way through the API server. Nothing is asked of it yet; a log-in program is.

    Args:
        address: of the service.
        variables: of the environment.

    Returns:
        None if the address is reached as it is: it isn't inside of a cluster, or no kubeconfig is named.

    Raises:
        ConfigError: the kubeconfig can't be used.
    """
    found = _inside(address)
    if found is None or not any(variables.get(name) for name in VARIABLES):
        return None
    settings = _load(variables)
    parts = urlsplit(address)
    # As RBAC knows it: plain HTTP, which all of ours speak, isn't said.
    scheme = "https:" if parts.scheme == "https" else ""
    service = f"{scheme}{found['name']}:{parts.port or _PORTS[parts.scheme]}"
    path = f"/api/v1/namespaces/{found['namespace']}/services/{service}/proxy{parts.path.rstrip('/')}"
    return Passage(f"{settings.host}{path}", settings.ssl_ca_cert, settings)

{% if cookiecutter.tracking %}
@contextlib.contextmanager
def lent(found: Passage | None, names: tuple[str, str]) -> Iterator[None]:
    """Put into variables what a client takes from them by itself, until the block ends.

    Args:
        found: from `passage`; None: nothing is put anywhere.
        names: of the variables for the token, a fresh one, enough for what is asked within minutes, and for
            the path of the certificates.
    """
    lending = {} if found is None else dict(zip(names, (found.token(), found.authority or ""), strict=True))
    before = {name: os.environ.get(name) for name in lending}
    os.environ.update({name: value for name, value in lending.items() if value})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

{% endif %}
def _inside(address: str) -> re.Match[str] | None:
    try:
        parts = urlsplit(address)
        return _INSIDE.fullmatch(parts.hostname or "") if parts.scheme in _PORTS else None
    except ValueError:  # no address at all
        return None


def _load(variables: Mapping[str, str]) -> Any:
    """Return what Kubernetes' own client makes of the kubeconfig; it knows how to ask for a new token."""
    import yaml
    from kubernetes import client, config  # type: ignore[import-untyped]

    settings = client.Configuration()
    given = {"client_configuration": settings, "persist_config": False}
    try:
        if text := variables.get("KUBECONFIG_CONTENT"):
            config.load_kube_config_from_dict(yaml.safe_load(text), **given)
        else:
            config.load_kube_config(variables["KUBECONFIG"], **given)
    except (yaml.YAMLError, config.ConfigException, AttributeError, KeyError, OSError, TypeError, ValueError):
        # Without the cause, which may quote a token.
        named = next(name for name in VARIABLES if variables.get(name))
        raise ConfigError(f"{named} holds no kubeconfig that could be used", RENEW) from None
    if not settings.host.startswith("https://") or not settings.verify_ssl:
        raise ConfigError("the kubeconfig trusts whoever answers, so a token would be anybody's", RENEW)
    if settings.tls_server_name:
        raise ConfigError(
            "the kubeconfig expects a certificate of another name than the API server's (tls-server-name)",
            "have the certificate name the server's address, or run this by `seedbed forward ENV`",
        )
    return settings
