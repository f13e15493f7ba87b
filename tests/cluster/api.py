"""A Kubernetes API server as tests and the stand-in provider talk to it: plain objects in, plain objects out."""

import json
import time
from dataclasses import dataclass, field

import kubernetes
import yaml

APPLY = "application/apply-patch+yaml"
_POLL = 0.2
# What merely reports on other objects, and kinds that the server itself advises against.
_ECHOES = {"ComponentStatus", "Endpoints", "Event"}


class ApiError(Exception):
    """The API server refused; `status` is HTTP's, and the text is its own message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class UnreachableError(Exception):
    """No API server answered, or no kubeconfig says where it is."""


@dataclass(frozen=True)
class Kind:
    """How a kind of object is addressed."""

    plural: str
    namespaced: bool
    verbs: tuple


@dataclass
class Api:
    """One context of a kubeconfig.

    Attributes:
        kubeconfig: path of the file, or its content; None means as kubectl finds it.
        context: name of the context; None means the current one.
        warnings: what the server warned about, in order; each is a finding for tests of what was applied.
    """

    kubeconfig: str | None = None
    context: str | None = None
    warnings: list = field(default_factory=list)

    def __post_init__(self):
        self._kinds = {}
        loaded = None
        if self.kubeconfig and "\n" in self.kubeconfig:
            loaded = yaml.safe_load(self.kubeconfig)
        try:
            if loaded is not None:
                self._client = kubernetes.config.new_client_from_config_dict(loaded, context=self.context)
            else:
                path = None if self.kubeconfig is None else str(self.kubeconfig)
                self._client = kubernetes.config.new_client_from_config(path, context=self.context)
        except (kubernetes.config.ConfigException, OSError) as error:
            raise UnreachableError(
                f"unable to load Kubernetes client configuration from kubeconfig file: {error}"
            ) from error
        self._client.configuration.retries = 0

    def request(self, method, path, body=None, *, query=(), content_type="application/json"):
        """One request as JSON, and its answer."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        call = self._client.param_serialize(
            method, path, query_params=list(query), header_params=headers, auth_settings=["BearerToken"]
        )
        method, url, headers, _, _ = call
        text = None if body is None else json.dumps(body)
        try:
            answer = self._client.rest_client.pool_manager.request(
                method, url, body=text, headers=headers, timeout=60, retries=False
            )
        except Exception as error:
            raise UnreachableError(f"configured Kubernetes cluster is unreachable: {error}") from error
        self.warnings += answer.headers.getlist("Warning")
        if answer.status >= 400:
            raise ApiError(answer.status, _message(answer))
        return json.loads(answer.data) if answer.data[:1] in (b"{", b"[") else answer.data.decode()

    def kind(self, api_version, kind):
        """How this kind is addressed; a kind that was defined a moment ago is found too."""
        if (api_version, kind) not in self._kinds:
            base = _base(api_version)
            for found in self.request("GET", base)["resources"]:
                if "/" not in found["name"]:
                    known = Kind(found["name"], found["namespaced"], tuple(found["verbs"]))
                    self._kinds[api_version, found["kind"]] = known
        if (api_version, kind) not in self._kinds:
            raise ApiError(404, f"no matches for kind {kind} in version {api_version}")
        return self._kinds[api_version, kind]

    def path(self, api_version, kind, name="", namespace=""):
        """The URL's path of an object, or of all objects of a kind (and namespace)."""
        known = self.kind(api_version, kind)
        middle = f"/namespaces/{namespace}" if known.namespaced and namespace else ""
        return "/".join(filter(None, (_base(api_version) + middle, known.plural, name)))

    def path_of(self, manifest):
        """The URL's path of this very object."""
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace") or "default"
        return self.path(manifest["apiVersion"], manifest["kind"], metadata["name"], namespace)

    def get(self, api_version, kind, name, namespace="default"):
        """The object, or None."""
        return self.get_path(self.path(api_version, kind, name, namespace))

    def get_path(self, path):
        """The object at a path, or None."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version, kind, namespace="", labels=""):
        """All objects of a kind with these labels (`key=value`), everywhere or in a namespace."""
        query = [("labelSelector", labels)] if labels else []
        found = self.request("GET", self.path(api_version, kind, namespace=namespace), query=query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in found["items"]]

    def apply(self, manifest, *, manager="test", force=False, dry_run=False):
        """Server-side apply, whose conflicts are errors unless forced; the object as it is then."""
        query = [("fieldManager", manager), ("force", str(force).lower()), ("fieldValidation", "Strict")]
        if dry_run:
            query.append(("dryRun", "All"))
        return self.request("PATCH", self.path_of(manifest), manifest, query=query, content_type=APPLY)

    def delete(self, path, *, seconds=60, stop=lambda: False):
        """Delete an object with what belongs to it, and wait until it is gone or `stop` says so.

        Raises:
            TimeoutError: it is still there; the message says what holds it.
        """
        try:
            self.request("DELETE", path, {"propagationPolicy": "Foreground"})
        except ApiError as error:
            if error.status != 404:
                raise
        try:
            wait(lambda: self.get_path(path) is None or stop(), seconds)
        except TimeoutError:
            raise TimeoutError(f"{path} is still there after {seconds} s: {_blocker(self.get_path(path))}") from None

    def allows(self, account, verb, resource, namespace="", name=""):
        """Whether RBAC lets a service account (`namespace:name`) do this.

        Args:
            resource: plural, with its group after a dot, and its subresource after a slash.
            namespace: empty: in all.
            name: of the object; empty: any.
        """
        resource, _, subresource = resource.partition("/")
        resource, _, group = resource.partition(".")
        asked = {
            "verb": verb, "resource": resource, "group": group, "subresource": subresource,
            "namespace": namespace, "name": name,
        }  # fmt: skip
        groups = [
            "system:authenticated",
            "system:serviceaccounts",
            f"system:serviceaccounts:{account.partition(':')[0]}",
        ]
        spec = {"user": f"system:serviceaccount:{account}", "groups": groups, "resourceAttributes": asked}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return self.request("POST", self.path("authorization.k8s.io/v1", "SubjectAccessReview"), review)["status"][
            "allowed"
        ]

    def everything(self, labels):
        """Every object of every kind with these labels, as (kind, namespace, name)."""
        versions = {"v1"}
        for group in self.request("GET", "/apis")["groups"]:
            versions.add(group["preferredVersion"]["groupVersion"])
        found = set()
        for version in sorted(versions):
            for known in self.request("GET", _base(version))["resources"]:
                if "/" in known["name"] or "list" not in known["verbs"] or known["kind"] in _ECHOES:
                    continue
                for item in self.list(version, known["kind"], labels=labels):
                    metadata = item["metadata"]
                    found.add((known["kind"], metadata.get("namespace", ""), metadata["name"]))
        return found


def wait(condition, seconds=30):
    """What `condition` gives once it is true.

    Raises:
        TimeoutError: it never was.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL)
    return result


def _base(api_version):
    return f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"


def _message(answer):
    try:
        return json.loads(answer.data)["message"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status}: {answer.data[:500]!r}"


def _blocker(live):
    """Why an object that was deleted is still there."""
    if live is None:
        return "it went at the last moment"
    metadata = live["metadata"]
    held = [*metadata.get("finalizers", ()), *live.get("spec", {}).get("finalizers", ())]
    conditions = [
        condition["message"]
        for condition in (live.get("status") or {}).get("conditions") or ()
        if live["kind"] == "Namespace" and condition["status"] == "True"
    ]
    return "; ".join([f"finalizers {', '.join(held) or 'none'}", *conditions])
