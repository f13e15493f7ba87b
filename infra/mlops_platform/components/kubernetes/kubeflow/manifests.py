"""Kubeflow Pipelines' own manifests, in a file that `kubectl kustomize` rendered: none is kept in this repository."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml takes ten times as long
    from yaml import SafeLoader  # type: ignore[assignment]

from mlops_platform.errors import PlatformError

Object = dict[str, Any]

VERSION = "2.17.0"
COMMIT = "4a3592cb2dd0a91a4652ab93893ec8beda1f3158"  # what the tag 2.17.0 names
# The first holds what the second needs to be there: the namespace and the definitions of custom resources. kustomize
# gives up after 27 seconds by itself, which a first fetch of that repository takes.
SOURCES = tuple(
    f"https://github.com/kubeflow/pipelines//manifests/kustomize/{part}?ref={COMMIT}&timeout=300s"
    for part in ("cluster-scoped-resources", "env/platform-agnostic")
)


def commands(path: Path) -> str:
    """The two commands that make the file, where kubectl, git and github.com can be had."""
    first, second = SOURCES
    file = shlex.quote(str(path))
    return f'kubectl kustomize "{first}" > {file}\n(echo ---; kubectl kustomize "{second}") >> {file}'


class Manifests:
    """Objects of the rendered file, found by kind and name.

    Args:
        objects: as they are in the file.
        path: the file, for messages.
    """

    def __init__(self, objects: Iterable[Object], path: Path) -> None:
        self.objects = list(objects)
        self._path = path

    def copy(self) -> Manifests:
        """The same, to be changed."""
        return Manifests(copy.deepcopy(self.objects), self._path)

    def find(self, kind: str, name: str) -> Object:
        """The object of this kind and name.

        Raises:
            PlatformError: there is none. A version that has renamed it would run without what we set there.
        """
        for found in self.objects:
            if (found["kind"], found["metadata"]["name"]) == (kind, name):
                return found
        raise self.refusal(f"has no {kind} {name}")

    def container(self, deployment: str, name: str) -> Object:
        """A container of a Deployment.

        Raises:
            PlatformError: there is none.
        """
        containers: list[Object] = self.find("Deployment", deployment)["spec"]["template"]["spec"]["containers"]
        for found in containers:
            if found["name"] == name:
                return found
        raise self.refusal(f"has no container {name} in Deployment {deployment}")

    def remove(self, unwanted: Callable[[str, str], bool]) -> None:
        """Forget the objects whose kind and name are unwanted."""
        self.objects = [found for found in self.objects if not unwanted(found["kind"], found["metadata"]["name"])]

    def refusal(self, problem: str) -> PlatformError:
        """The error for a file that isn't what it should be."""
        return PlatformError(
            f"{self._path} {problem}, so it isn't Kubeflow Pipelines {VERSION} as its project renders it",
            f"render it again:\n{commands(self._path)}",
        )


def read(path: Path) -> Manifests:
    """Read the rendered file.

    Raises:
        PlatformError: it isn't there, can't be read, is another version's, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlatformError(
            f"There is no {path}: Kubeflow Pipelines is installed from its own manifests, which are not part of this"
            " project",
            f"run `seedbed up`, which obtains them, or render them with:\n{commands(path)}\nWithout access to"
            " github.com, run these elsewhere and bring the file along; pipelinesManifests names another place."
            " `pulumi config set pipelines none` leaves Kubeflow out.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{path} can't be read: {error}", "check the file that pipelinesManifests names") from error
    manifests = Manifests((), path)
    try:
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document]
    except yaml.YAMLError as error:
        raise manifests.refusal(f"is no YAML ({' '.join(str(error).split())})") from error
    for number, document in enumerate(documents, 1):
        if not _is_object(document):
            raise manifests.refusal(f"holds no Kubernetes object in its document {number}")
    manifests.objects = documents
    _check_version(manifests)
    return manifests


class _Loader(SafeLoader):
    """Plain YAML, in which dates and `=` are the strings that Kubernetes takes them for."""


_STRINGS = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _STRINGS]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}


def _is_object(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and all(isinstance(document.get(key), str) for key in ("apiVersion", "kind"))
        and isinstance(document.get("metadata"), dict)
        and isinstance(document["metadata"].get("name"), str)
    )


def _check_version(manifests: Manifests) -> None:
    image = str(manifests.container("ml-pipeline", "ml-pipeline-api-server")["image"])
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    if tag and tag != VERSION:
        raise manifests.refusal(f"is of version {tag}")
