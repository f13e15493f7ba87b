"""Release an image of the service: `python ci/deploy.py IMAGE`, and wait until every pod of it is ready.

KUBECONFIG_CONTENT is the kubeconfig of CI's account, which may change the Deployment `service` in its
context's namespace, see what becomes of it, and nothing else. Pods of before answer until new ones are ready.
If those don't get ready, the image of before is put back.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
import yaml
from kubernetes import client, config  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE = "service"  # the Deployment and its container
BY_DIGEST = re.compile(r"[\w.:/-]+@sha256:[0-9a-f]{64}")
RELEASE = 1800  # seconds until every pod is ready; without progress the cluster gives up after its own 600
RETURN = 300  # seconds until the pods of before are all there again
OUTAGE = 60  # seconds for which the API server may be away
ANSWER = (5, 30)  # seconds: to be connected, and between two pieces of an answer
PAUSE = 2.0  # seconds between two looks
AWAY = frozenset({429, 500, 502, 503, 504})
INVALID = 422
GAVE_UP = "ProgressDeadlineExceeded"
STARTING = frozenset({None, "ContainerCreating", "PodInitializing"})
HINTS = {
    401: "its token was exchanged: set KUBECONFIG_CONTENT anew",
    403: "is KUBECONFIG_CONTENT of the right environment, and has that environment a service?",
    404: "the environment has no service yet: set service_image to this image in its section of seedbed.toml,"
    " and bring it up (seedbed up); every later image comes by this program",
}


class DeployError(Exception):
    """The image isn't released; the message says why, and what to do."""


class NotReadyError(DeployError):
    """The pods with an image don't get ready; the message says what they wait for."""


@dataclass(frozen=True, slots=True)
class State:
    """The Deployment at one moment.

    Attributes:
        image: that its pods shall have.
        place: of the container with it, in the list of all.
        labels: of its pods, as a selector.
        ready: whether all pods have the image and are ready, and none of before is left.
        gave_up: when the cluster gave up waiting for them; empty: it didn't.
        refused: why no pod can be made; empty: it can.
        progress: how far it is, in words.
    """

    image: str
    place: int
    labels: str
    ready: bool
    gave_up: str
    refused: str
    progress: str


@dataclass(frozen=True, slots=True)
class Service:
    """The service in a cluster: the connection, the API server's address, the Deployment's namespace."""

    api: Any
    server: str
    namespace: str

    def look(self, expected: str = "") -> State:
        """Return how the Deployment is.

        Raises:
            DeployError: it has another image than the expected one.
        """
        read = client.AppsV1Api(self.api).read_namespaced_deployment
        state = _state(self._ask(read, SERVICE, self.namespace))
        if state.image != (expected or state.image):
            raise DeployError(f"somebody else released {state.image} meanwhile, which stays")
        return state

    def exchange(self, state: State, image: str) -> None:
        """Have pods with another image made, unless somebody else has done so since `state`: a look tells."""
        place = f"/spec/template/spec/containers/{state.place}"
        patch = [
            {"op": "test", "path": f"{place}/name", "value": SERVICE},
            {"op": "test", "path": f"{place}/image", "value": state.image},
            {"op": "replace", "path": f"{place}/image", "value": image},
        ]
        change = client.AppsV1Api(self.api).patch_namespaced_deployment
        try:
            self._ask(change, SERVICE, self.namespace, patch, field_manager="ci")
        except client.ApiException as error:
            # Another image is somebody else's, or ours: a request was taken before, and its answer lost.
            if self.look().image == state.image:
                raise DeployError(f"the cluster refuses {image}: {_message(error)}") from error

    def trouble(self, state: State) -> str:
        """Return what keeps its pods from being ready; empty: nothing that can be seen yet."""
        # A quota and admission refuse pods before there is one that could say so.
        if state.refused:
            return f"no pod can be made: {state.refused}"
        find = client.CoreV1Api(self.api).list_namespaced_pod
        pods = self._ask(find, self.namespace, label_selector=state.labels).items
        said = (_pod(pod) for pod in pods if any(part.image == state.image for part in pod.spec.containers))
        return next(filter(None, said), "")

    def _ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Ask, and for a while again where the API server is away; so it may be told the same thing twice.

        Raises:
            DeployError: it stays away, or doesn't let us.
            ApiException: what it was told doesn't fit the object.
        """
        end = time.monotonic() + OUTAGE
        while True:
            try:
                return call(*arguments, **options, _request_timeout=ANSWER)
            except client.ApiException as error:
                if error.status == INVALID:
                    raise
                if error.status not in AWAY or time.monotonic() > end:
                    said = "; ".join(filter(None, (_message(error), HINTS.get(error.status))))
                    raise DeployError(f"{self.server}: {said}") from error
            except urllib3.exceptions.HTTPError as error:
                if time.monotonic() > end:
                    raise DeployError(f"{self.server} doesn't answer: {error}") from error
            time.sleep(PAUSE)


def main(arguments: list[str] | None = None) -> int:
    """Release one image, and return the exit code: 0 done, 1 not released, 130 interrupted."""
    parser = argparse.ArgumentParser(description="Release an image of the service.")
    parser.add_argument("image", metavar="IMAGE", help="by its digest: NAME@sha256:DIGEST")
    image = parser.parse_args(arguments).image
    try:
        release(connect(os.environ), image)
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the cluster goes on with what it was told last", file=sys.stderr)
        return 130
    return 0


def connect(variables: Mapping[str, str]) -> Service:
    """Return the service that KUBECONFIG_CONTENT leads to. Nothing is asked yet.

    Raises:
        DeployError: it isn't set, or is no kubeconfig with a namespace.
    """
    hint = "set it to what `seedbed forward ENV printenv KUBECONFIG_CONTENT` prints"
    if not variables.get("KUBECONFIG_CONTENT"):
        raise DeployError(f"KUBECONFIG_CONTENT isn't set: {hint}")
    settings = client.Configuration()
    settings.retries = False
    try:
        content = yaml.safe_load(variables["KUBECONFIG_CONTENT"])
        config.load_kube_config_from_dict(content, client_configuration=settings, persist_config=False)
        contexts = {entry["name"]: entry["context"] for entry in content["contexts"]}
        namespace = contexts[content["current-context"]]["namespace"]
        return Service(client.ApiClient(settings), settings.host, namespace)
    except (yaml.YAMLError, config.ConfigException, AttributeError, KeyError, OSError, TypeError, ValueError):
        # Without the cause, which may quote the token.
        raise DeployError(f"KUBECONFIG_CONTENT is no kubeconfig with a namespace: {hint}") from None


def release(service: Service, image: str) -> None:
    """Have the service run an image.

    Raises:
        DeployError: it doesn't; the image of before is put back where that was possible.
    """
    if not BY_DIGEST.fullmatch(image):
        raise DeployError(f"{image!r} isn't NAME@sha256:DIGEST, and a tag may name another image tomorrow")
    before = service.look()
    same = before.image == image
    print(f"{service.namespace}: {before.image} -> {image}", flush=True)
    if not same:
        service.exchange(before, image)
    try:
        # That the cluster gave up on an earlier image says nothing about this one.
        wait(service, image, RELEASE, gave_up="" if same else before.gave_up)
    except NotReadyError as error:
        back = "it had this image before" if same else put_back(service, image, before.image)
        raise DeployError(f"{error}; {back}") from error


def put_back(service: Service, image: str, before: str) -> str:
    """Exchange an image for the one of before, and return what came of it, in words."""
    done = f"{before} is not put back"
    try:
        state = service.look(expected=image)
        service.exchange(state, before)
        done = f"{before} is put back"
        wait(service, before, RETURN, gave_up=state.gave_up)
    except DeployError as error:
        return f"{done}; {error}"
    return done


def wait(service: Service, image: str, seconds: float, *, gave_up: str) -> None:
    """Wait until all pods have the image and are ready.

    Args:
        service: whose.
        image: that they shall have.
        seconds: to wait at most.
        gave_up: of the state before: the cluster may say so until pods come or go.

    Raises:
        NotReadyError: the cluster gave up, or the time is over.
        DeployError: somebody else released another image meanwhile.
    """
    end = time.monotonic() + seconds
    said = ""
    while True:
        state = service.look(expected=image)
        trouble = "" if state.ready else service.trouble(state)
        now = "; ".join(filter(None, (state.progress, trouble)))
        if now != said:
            print(now, flush=True)
            said = now
        if state.ready:
            return
        if state.gave_up not in {"", gave_up} or time.monotonic() > end:
            raise NotReadyError(f"{image} doesn't get ready: {now}")
        time.sleep(PAUSE)


def _state(deployment: Any) -> State:
    spec, status = deployment.spec, deployment.status
    images = {part.name: part.image for part in spec.template.spec.containers}
    if SERVICE not in images:
        raise DeployError(f"the Deployment {SERVICE} has no container {SERVICE}, but {', '.join(images)}")
    seen = (status.observed_generation or 0) >= deployment.metadata.generation
    wanted = 1 if spec.replicas is None else spec.replicas
    updated = (status.updated_replicas or 0) if seen else 0
    available = status.available_replicas or 0
    conditions = {condition.type: condition for condition in status.conditions or ()}
    progressing, refused = conditions.get("Progressing"), conditions.get("ReplicaFailure")
    gave_up = progressing.last_update_time if progressing and progressing.reason == GAVE_UP else ""
    return State(
        image=images[SERVICE],
        place=list(images).index(SERVICE),
        labels=",".join(f"{key}={value}" for key, value in (spec.selector.match_labels or {}).items()),
        # As `kubectl rollout status` has it: none is missing, none of before is left, and all are ready.
        ready=updated >= wanted and (status.replicas or 0) <= updated and available >= updated,
        gave_up=str(gave_up),
        refused=refused.message if refused and refused.status == "True" else "",
        progress=f"{updated} of {wanted} pods have the image, {available} are ready",
    )


def _pod(pod: Any) -> str:
    """Return what keeps a pod from being ready."""
    name, status = pod.metadata.name, pod.status
    for part in [*(status.init_container_statuses or ()), *(status.container_statuses or ())]:
        ended = part.last_state.terminated if part.last_state else None
        last = f"; it ended with {ended.reason or 'an error'} (exit code {ended.exit_code})" if ended else ""
        waiting = part.state.waiting if part.state else None
        if waiting and waiting.reason not in STARTING:
            return f"pod {name}: {waiting.reason}{f': {waiting.message}' if waiting.message else ''}{last}"
        if last and not part.ready:
            return f"pod {name} was started again{last}"
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"pod {name} has no node: {condition.message or condition.reason}"
        if condition.type == "Ready" and condition.status == "False" and status.phase == "Running":
            return f"pod {name} runs and isn't ready: has the registry a champion, and can it load it?"
    return f"pod {name} failed: {status.message or status.reason}" if status.phase == "Failed" else ""


def _message(error: Any) -> str:
    """Return what the API server said, in one line of bounded length."""
    try:
        said = json.loads(error.body)["message"]
    except (KeyError, TypeError, ValueError):
        said = error.body or error.reason
    return " ".join(str(said).split())[:500]


if __name__ == "__main__":
    sys.exit(main())
