"""What a release leaves for the next `up`: an image of the model service that the state doesn't know.

`up` leaves that image alone: the engine puts the one that the state remembers in the place of the program's, and
applies it together with whatever else has changed about the Deployment. But the field is `kubectl set image`'s by then,
so the API server refuses all of it. The provider drops an ignored field that is somebody else's only where it is in no
list (pulumi-kubernetes 4, handleSSAIgnoreFields in provider/pkg/await/await.go). So the state is told beforehand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seedbed.environments import stack as stacks
from seedbed.environments.cluster.connection import Api
from seedbed.environments.cluster.errors import NotAllowedError
from seedbed.environments.events import Recorder
from seedbed.environments.failures import explained
from seedbed.environments.project import Project

_TYPE, _NAME = "kubernetes:apps/v1:Deployment", "service"


@dataclass(frozen=True)
class Release:
    """An image that runs, and that the state doesn't know.

    Attributes:
        urn: of the Deployment in the state.
        image: that it runs.
    """

    urn: str
    image: str


def find(api: Api, recorded: list[dict[str, Any]]) -> Release | None:
    """The release since the state was written; None: there was none, or none can be seen.

    Args:
        api: of the cluster.
        recorded: the resources in the environment's state.

    Raises:
        SeedbedError: the cluster stopped answering.
    """
    for resource in recorded:
        inputs = resource.get("inputs") or {}
        metadata = inputs.get("metadata") or {}
        if resource.get("type") != _TYPE or metadata.get("name") != _NAME:
            continue
        path = f"/apis/apps/v1/namespaces/{metadata.get('namespace', '')}/deployments/{_NAME}"
        with contextlib.suppress(NotAllowedError):
            image = _image(api.find(path) or {})
            if image and image != _image(inputs):
                return Release(str(resource["urn"]), image)
    return None


def record(project: Project, name: str, release: Release, say: Callable[[str], None]) -> None:
    """Have the state know of a release; nothing on the cluster changes.

    Args:
        project: whose environment it is.
        name: the environment's.
        release: what to record.
        say: told what is done.

    Raises:
        SeedbedError: the state could not be written.
    """
    say(f"Recording what was released: the model service runs {release.image}")
    with explained(name, Recorder("refresh", lambda _: None)):
        stacks.break_dead_lock(project, name, say)
        stacks.open_stack(project, name, say).refresh(target=[release.urn], color="never")


def _image(deployment: dict[str, Any]) -> str:
    try:
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
    except (KeyError, IndexError, TypeError):
        return ""
