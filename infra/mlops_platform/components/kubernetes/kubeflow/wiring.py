"""What is changed in Kubeflow's manifests, as functions of them alone.

Each change names the objects it needs. One that isn't there is an error: a version that has moved a setting must not
come up with its defaults instead of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

from mlops_platform.components.kubernetes.images import mirrored
from mlops_platform.components.kubernetes.kubeflow import store
from mlops_platform.components.kubernetes.kubeflow.manifests import Manifests, Object
from mlops_platform.components.kubernetes.kubeflow.store import Place
from mlops_platform.components.kubernetes.layout import KUBEFLOW
from mlops_platform.components.kubernetes.pods import USER
from mlops_platform.components.kubernetes.sizes import Workload

DATABASE_SECRET = "mysql-secret"  # noqa: S105 - a name
RUNNER = "pipeline-runner"  # the service account of runs
# A registry that asks nobody for a name has no such secret, which the kubelet takes for no error.
PULL_SECRET = "pipelines-registry"  # noqa: S105 - a name
_API, _API_CONTAINER = "ml-pipeline", "ml-pipeline-api-server"
_UI = "ml-pipeline-ui"
_CONTROLLER = "workflow-controller"
_AUTHORITY_FOLDER = "/etc/seedbed/store"
_AUTHORITY_FILE = f"{_AUTHORITY_FOLDER}/{store.AUTHORITY_KEY}"
# For Karpenter and EKS Auto Mode, and for the cluster autoscaler.
_STAYS = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
_TEMPLATED = ("Deployment", "StatefulSet", "DaemonSet", "Job")
# Left out: its object store, since the environment has one; and the cache of version 1, which gives one pod the right
# to sign certificates for the whole cluster, makes a webhook that outlives the namespace, and skips version 2's pods:
# those are cached by their driver (kubeflow/pipelines, backend/src/cache/server/mutation.go).
_LEFT_OUT = re.compile(r"seaweedfs(-.*)?|cache-server|cache-deployer-deployment|kubeflow-pipelines-cache(-.*)?")
_LEFT_OUT_WORKLOADS = ("seaweedfs", "cache-server", "cache-deployer-deployment")
# What must not be left anywhere: its own store's address, and the passwords that everybody knows.
_TELLTALE = re.compile(r"\bseaweedfs\b|\bminio-service\b|\bminio123\b")


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What the manifests are fitted to.

    Attributes:
        labels: of every object and pod.
        mirror: host and path of a registry in place of the images' own; empty: their own.
        fill: gives what a function makes of the store's place, which may be known only when the store is there.
        credentials: changes whenever the keys do, so that pods that hold them start anew; None: there are no keys, and
            pods have identities that the store knows.
        authority: whether the store's certificate is signed by an authority of its own.
        storage_class: of volumes; empty: the cluster's default.
        database: how big the database is.
    """

    labels: dict[str, str]
    mirror: str
    fill: Callable[[Callable[[Place], str]], pulumi.Input[str]]
    credentials: pulumi.Input[str] | None
    authority: bool
    storage_class: str
    database: Workload


def wire(manifests: Manifests, wiring: Wiring) -> list[Object]:
    """Kubeflow's objects as an environment needs them; what is given stays as it is.

    Raises:
        PlatformError: an object that has to be changed isn't there.
    """
    changed = manifests.copy()
    for change in (_leave_out, _store, _database, _runs, _teardown, _trust, _isolation, _services, _images):
        change(changed, wiring)
    _check(changed)
    for found in changed.objects:
        _label(found, wiring.labels)
    return changed.objects


def _leave_out(manifests: Manifests, _wiring: Wiring) -> None:
    for name in _LEFT_OUT_WORKLOADS:
        manifests.find("Deployment", name)
    for name in (store.KEYS_SECRET, DATABASE_SECRET):  # made with passwords of our own
        manifests.find("Secret", name)
    secrets = {("Secret", store.KEYS_SECRET), ("Secret", DATABASE_SECRET)}
    manifests.remove(lambda kind, name: (kind, name) in secrets or _LEFT_OUT.fullmatch(name) is not None)


def _store(manifests: Manifests, wiring: Wiring) -> None:
    fill, keyed = wiring.fill, wiring.credentials is not None
    access_key, secret_key = (
        _secret(store.KEYS_SECRET, key) if keyed else "" for key in (store.ACCESS_KEY, store.SECRET_KEY)
    )
    _set(
        manifests.container(_API, _API_CONTAINER),
        OBJECTSTORECONFIG_HOST=fill(lambda place: place.host),
        OBJECTSTORECONFIG_PORT=fill(lambda place: str(place.port)),
        OBJECTSTORECONFIG_SECURE=fill(lambda place: str(place.secure).lower()),
        OBJECTSTORECONFIG_REGION=fill(lambda place: place.region),
        OBJECTSTORECONFIG_BUCKETNAME=fill(lambda place: place.bucket),
        # Both empty: as who the pod is.
        OBJECTSTORECONFIG_ACCESSKEY=access_key,
        OBJECTSTORECONFIG_SECRETACCESSKEY=secret_key,
    )
    _set(
        manifests.container(_UI, _UI),
        MINIO_HOST=fill(lambda place: place.host),
        MINIO_NAMESPACE="",  # it would be put behind the host's name
        MINIO_PORT=fill(lambda place: str(place.port)),
        MINIO_SSL=fill(lambda place: str(place.secure).lower()),
        MINIO_ACCESS_KEY=access_key,
        MINIO_SECRET_KEY=secret_key,
        AWS_S3_ENDPOINT=fill(lambda place: place.address),
        AWS_SSL=fill(lambda place: str(place.secure).lower()),
        AWS_REGION=fill(lambda place: place.region),
        AWS_ACCESS_KEY_ID=access_key,
        AWS_SECRET_ACCESS_KEY=secret_key,
        ARGO_ARCHIVE_BUCKETNAME=fill(lambda place: place.bucket),
    )
    for name in (_API, _UI) if keyed else ():
        template = manifests.find("Deployment", name)["spec"]["template"]
        template["metadata"].setdefault("annotations", {})["seedbed/credentials"] = wiring.credentials
    installed = manifests.find("ConfigMap", "pipeline-install-config")["data"]
    installed |= {"bucketName": fill(lambda place: place.bucket), "defaultPipelineRoot": fill(lambda place: place.root)}
    launcher = manifests.find("ConfigMap", "kfp-launcher")["data"]
    launcher |= {
        "defaultPipelineRoot": fill(lambda place: place.root),
        "providers": fill(lambda place: store.providers(place, keyed=keyed)),
    }
    argo = manifests.find("ConfigMap", "workflow-controller-configmap")["data"]
    given = _yaml(argo, "artifactRepository", manifests)
    argo["artifactRepository"] = fill(
        lambda place: store.artifact_repository(given, place, keyed=keyed, authority=wiring.authority)
    )


def _database(manifests: Manifests, wiring: Wiring) -> None:
    server = manifests.container("mysql", "mysql")
    server["env"] = [given for given in server.get("env", []) if given["name"] != "MYSQL_ALLOW_EMPTY_PASSWORD"]
    _set(server, MYSQL_ROOT_PASSWORD=_secret(DATABASE_SECRET, "password"))
    size = wiring.database
    server["resources"] = {"requests": {"cpu": size.cpu, "memory": size.memory}, "limits": {"memory": size.memory}}
    claim = manifests.find("PersistentVolumeClaim", "mysql-pv-claim")["spec"]
    claim["resources"] = {"requests": {"storage": size.storage}}
    if wiring.storage_class:
        claim["storageClassName"] = wiring.storage_class


def _runs(manifests: Manifests, wiring: Wiring) -> None:
    """Steps run as the number of our images, which owns the volumes that they mount."""
    installed = manifests.find("ConfigMap", "pipeline-install-config")["data"]
    installed |= {
        "defaultSecurityContextRunAsUser": str(USER),
        "defaultSecurityContextRunAsGroup": str(USER),
        "defaultSecurityContextRunAsNonRoot": "true",
    }
    runner = manifests.find("ServiceAccount", RUNNER)
    runner["imagePullSecrets"] = [*runner.get("imagePullSecrets", []), {"name": PULL_SECRET}]
    argo = manifests.find("ConfigMap", "workflow-controller-configmap")["data"]
    defaults = _yaml(argo, "workflowDefaults", manifests) if "workflowDefaults" in argo else {}
    spec = defaults.setdefault("spec", {})
    # Kubeflow has no setting for a volume's group. Argo patches each pod's spec with this before Kubeflow's own patch.
    patch: dict[str, Any] = {"securityContext": {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}}
    if wiring.authority:
        # Kubeflow's launcher and boto3, which the steps use, both know this variable.
        step: Object = {"name": "main"}
        _mount_authority(patch, step)
        _set(step, AWS_CA_BUNDLE=_AUTHORITY_FILE)
        patch["containers"] = [step]
    spec["podSpecPatch"] = json.dumps(patch, sort_keys=True)
    for part in (defaults, spec):
        metadata = part.setdefault("metadata" if part is defaults else "podMetadata", {})
        metadata["labels"] = {**metadata.get("labels", {}), **wiring.labels}
    # Autoscalers that save by moving pods elsewhere would start a step anew, hours into it.
    spec["podMetadata"]["annotations"] = {**spec["podMetadata"].get("annotations", {}), **_STAYS}
    argo["workflowDefaults"] = yaml.safe_dump(defaults)


def _teardown(manifests: Manifests, _wiring: Wiring) -> None:
    # With it each pod of a run waits for the controller before it goes, for ever once the controller is gone.
    _set(manifests.container(_CONTROLLER, _CONTROLLER), ARGO_POD_STATUS_CAPTURE_FINALIZER="false")


def _trust(manifests: Manifests, wiring: Wiring) -> None:
    if not wiring.authority:
        return
    # Go adds the folder to its system's certificates, Node the file to its own.
    for name, container, variable in (
        (_API, _API_CONTAINER, {"SSL_CERT_DIR": _AUTHORITY_FOLDER}),
        (_UI, _UI, {"NODE_EXTRA_CA_CERTS": _AUTHORITY_FILE}),
    ):
        server = manifests.container(name, container)
        _mount_authority(manifests.find("Deployment", name)["spec"]["template"]["spec"], server)
        _set(server, **variable)


def _mount_authority(pod: Object, container: Object) -> None:
    name = store.AUTHORITY_SECRET
    pod["volumes"] = [*pod.get("volumes", []), {"name": name, "secret": {"secretName": name}}]
    mount = {"name": name, "mountPath": _AUTHORITY_FOLDER, "readOnly": True}
    container["volumeMounts"] = [*container.get("volumeMounts", []), mount]


def _isolation(manifests: Manifests, _wiring: Wiring) -> None:
    """`restricted` is what the pods meet as they are; what a user may start there (TensorBoard) doesn't."""
    metadata = manifests.find("Namespace", KUBEFLOW)["metadata"]
    levels = {"enforce": "baseline", "audit": "restricted", "warn": "restricted"}
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode, level in levels.items()}
    metadata["labels"] = {**metadata.get("labels", {}), **labels}


def _services(manifests: Manifests, _wiring: Wiring) -> None:
    """Kubeflow's pods read each other's addresses from variables that they get if the Service is there before them.

    So Services come first, and Pulumi must not wait for the pods behind them.
    """
    for found in manifests.objects:
        if found["kind"] == "Service":
            metadata = found["metadata"]
            metadata["annotations"] = {**(metadata.get("annotations") or {}), "pulumi.com/skipAwait": "true"}


def _images(manifests: Manifests, wiring: Wiring) -> None:
    for found in manifests.objects:
        for container in _containers(found):
            container["image"] = mirrored(container["image"], wiring.mirror)
    server = manifests.container(_API, _API_CONTAINER)
    for name in ("V2_DRIVER_IMAGE", "V2_LAUNCHER_IMAGE"):
        variable = _variable(server, name)
        if variable is None:
            raise manifests.refusal(f"has no {name} in Deployment {_API}")
        variable["value"] = mirrored(variable["value"], wiring.mirror)
    arguments = manifests.container(_CONTROLLER, _CONTROLLER).get("args", [])
    if "--executor-image" not in arguments[:-1]:
        raise manifests.refusal(f"has no --executor-image in Deployment {_CONTROLLER}")
    place = arguments.index("--executor-image") + 1
    arguments[place] = mirrored(arguments[place], wiring.mirror)


def _check(manifests: Manifests) -> None:
    """Refuse what still leads to the store that was left out, or knows its passwords."""
    for found in manifests.objects:
        for text in _settings(found):
            if hit := _TELLTALE.search(text):
                where = f"{found['kind']} {found['metadata']['name']}"
                raise manifests.refusal(f"mentions {hit[0]} in {where}, where nothing replaces it")


def _settings(found: Object) -> Iterator[str]:
    """The texts that decide how something runs, without comments."""
    if found["kind"] in {"ConfigMap", "Secret"}:
        for values in (found.get(key) or {} for key in ("data", "stringData")):
            for text in values.values():
                if isinstance(text, str):
                    yield from (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for container in _containers(found):
        texts = [*container.get("command", []), *container.get("args", [])]
        texts += [given.get("value") for given in container.get("env", [])]
        yield from (text for text in texts if isinstance(text, str))


def _label(found: Object, labels: dict[str, str]) -> None:
    holders = [found["metadata"]]
    if found["kind"] in _TEMPLATED:
        holders.append(found["spec"]["template"].setdefault("metadata", {}))
    for metadata in holders:
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}


def _containers(found: Object) -> Iterator[Object]:
    if found["kind"] in _TEMPLATED:
        pod = found["spec"]["template"]["spec"]
        for key in ("initContainers", "containers"):
            yield from pod.get(key) or []


def _variable(container: Object, name: str) -> Object | None:
    return next((given for given in container.get("env", []) if given["name"] == name), None)


def _set(container: Object, **variables: Any) -> None:
    """Set environment variables, each in its place if it has one: later ones may refer to it."""
    for name, value in variables.items():
        made = {"name": name, **({"valueFrom": value} if isinstance(value, dict) else {"value": value})}
        present = _variable(container, name)
        if present is None:
            container.setdefault("env", []).append(made)
        else:
            present.clear()
            present.update(made)


def _secret(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def _yaml(data: dict[str, Any], key: str, manifests: Manifests) -> dict[str, Any]:
    """A YAML text within a ConfigMap."""
    found = yaml.safe_load(data.get(key) or "")
    if not isinstance(found, dict):
        raise manifests.refusal(f"has no {key} in ConfigMap workflow-controller-configmap")
    return found
