"""The container registry of an environment on a cluster: one in it, or one that exists already."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes import accounts, availability, ingress
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.registry import server
from mlops_platform.components.kubernetes.registry.server import COMPONENT, PORT
from mlops_platform.components.kubernetes.store_access import KeyedStore
from mlops_platform.errors import PlatformError
from mlops_platform.resources.htpasswd import Htpasswd
from mlops_platform.resources.lasting_choice import LastingChoice
from mlops_platform.resources.password import Password

USERNAME_VARIABLE, PASSWORD_VARIABLE = "REGISTRY_USERNAME", "REGISTRY_PASSWORD"


class Registry(pulumi.ComponentResource):
    """Where images are pushed to, and where the cluster's nodes pull them from.

    The one in the cluster keeps images on a volume or, where the environment's size has several pods of it, in the
    object store. The nodes reach it as `localhost` at a port that each of them has, which container runtimes trust
    without TLS; or by its name under the environment's domain, where an Ingress with TLS publishes it.

    Args:
        name: Pulumi name.
        cluster: where. Its settings say whether there is one elsewhere.
        namespace: that it is put into.
        store: keeps the images of a registry with several pods.
        opts: Pulumi options.

    Attributes:
        address: host and path with which images are named and pulled, such as localhost:30500/flights.
        push_address: the same place for a client inside the cluster that doesn't mind plain HTTP.
        username: of the account that may pull and push; empty: it asks for none.
        password: of that account.

    Raises:
        PlatformError: of a registry elsewhere, only one of the name and the password is set.
    """

    address: str
    push_address: pulumi.Input[str]
    username: str
    password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        store: KeyedStore,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        external = cluster.options.registry
        account = read_account() if external else None
        super().__init__("mlops:kubernetes:Registry", name, None, opts)
        self._cluster = cluster
        if external:
            self.address = self.push_address = external
            self.username, password = account or ("", "")
            self.password = pulumi.Output.secret(password)
        else:
            project = cluster.settings.project
            public = ingress.url(cluster.settings, ingress.REGISTRY).removeprefix("https://")
            self.address = f"{public or f'localhost:{cluster.options.registry_port}'}/{project}"
            self.username = project
            self.password = Password("registry-password", opts=pulumi.ResourceOptions(parent=self)).value
            self._run(namespace, store)
            # For whoever pushes, and may read Secrets here.
            self.pull_secret(namespace, "registry-account")
            self.push_address = pulumi.Output.concat(COMPONENT, ".", namespace, f".svc:{PORT}/{project}")
        self.register_outputs({"address": self.address})

    def pull_secret(self, namespace: pulumi.Input[str], name: str) -> pulumi.Output[str] | None:
        """Put the account into another namespace, for its pods' `imagePullSecrets`.

        Args:
            namespace: of the pods.
            name: of the Secret; another one for each namespace.

        Returns:
            The name, once it is there; None where the registry asks for no account, and there is no Secret.
        """
        if not self.username:
            return None
        host = self.address.partition("/")[0]
        secret = kubernetes.core.v1.Secret(
            f"pull-{name}",
            metadata=self._cluster.metadata(name, COMPONENT, namespace=namespace),
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": self.password.apply(lambda known: _login(host, self.username, known))},
            opts=self._cluster.child(self),
        )
        made: pulumi.Output[str] = secret.metadata["name"]
        return made

    def _run(self, namespace: pulumi.Input[str], store: KeyedStore) -> None:
        cluster, child = self._cluster, pulumi.ResourceOptions(parent=self)
        several = cluster.workload(COMPONENT).replicas > 1
        choice = LastingChoice(
            "registry-choice",
            subject="place of the registry's images",
            value="the object store" if several else "a volume",
            keys="size",
            opts=child,
        )
        account = Htpasswd("registry-account", username=self.username, password=self.password, opts=child)
        shared = Password("registry-shared-secret", opts=child).value
        place = (
            _in_store(store) if several else pulumi.Output.from_input({"filesystem": {"rootdirectory": server.VOLUME}})
        )
        configuration = pulumi.Output.all(shared, place).apply(lambda known: server.configuration(*known))
        files: dict[str, pulumi.Input[str]] = {server.CONFIGURATION: configuration, server.ACCOUNTS: account.line}
        authority = several and store.authority
        if authority:
            files[server.AUTHORITY] = authority
        after: list[pulumi.Resource] = [
            choice,
            # All of it: the configuration carries a key of the store, and what the pods sign uploads with.
            kubernetes.core.v1.Secret(
                COMPONENT,
                metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
                string_data=files,
                opts=cluster.child(self),
            ),
        ]
        if not several:
            after.append(self._volume(namespace, choice))
        kubernetes.core.v1.Service(
            COMPONENT,
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace, awaited=False),
            spec=server.service(cluster),
            opts=cluster.child(self),
        )
        own = accounts.declare(self, cluster=cluster, component=COMPONENT, namespace=namespace)
        kubernetes.apps.v1.Deployment(
            COMPONENT,
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace),
            spec=server.deployment(cluster, own, configuration, several=several, authority=bool(authority)),
            opts=cluster.child(self, depends_on=after),
        )
        availability.disruption_budget(self, cluster=cluster, namespace=namespace, component=COMPONENT)

    def _volume(self, namespace: pulumi.Input[str], choice: pulumi.Resource) -> pulumi.Resource:
        cluster = self._cluster
        made: pulumi.Resource = kubernetes.core.v1.PersistentVolumeClaim(
            COMPONENT,
            # Where a volume is only made for a pod, waiting for it would be in vain: the pod waits for it.
            metadata=cluster.metadata(COMPONENT, COMPONENT, namespace=namespace, awaited=False),
            spec=cluster.claim(COMPONENT),
            # A claim's class can't change: it would be exchanged for an empty one.
            opts=cluster.child(self, depends_on=[choice], ignore_changes=["spec.storageClassName"]),
        )
        return made


def read_account() -> tuple[str, str] | None:
    """Name and password for a registry elsewhere, out of the environment's variables; None: it asks for none.

    Raises:
        PlatformError: only one of them is set.
    """
    username, password = os.environ.get(USERNAME_VARIABLE, ""), os.environ.get(PASSWORD_VARIABLE, "")
    if bool(username) != bool(password):
        missing = PASSWORD_VARIABLE if username else USERNAME_VARIABLE
        raise PlatformError(
            f"{missing} is not set, and the other half of the registry's account is",
            f"Export both {USERNAME_VARIABLE} and {PASSWORD_VARIABLE}; or neither, where the nodes have access by"
            " themselves.",
        )
    return (username, password) if username else None


def _in_store(store: KeyedStore) -> pulumi.Output[dict[str, Any]]:
    keys = store.keys("registry")
    assert keys is not None  # noqa: S101 - where pods have identities in place of keys, the registry is elsewhere
    access_key, secret_key = keys
    return pulumi.Output.all(
        endpoint=store.endpoint, bucket=store.artifact_bucket, access_key=access_key, secret_key=secret_key
    ).apply(lambda known: server.store_driver(region=store.region, **known))


def _login(host: str, username: str, password: str) -> str:
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"username": username, "password": password, "auth": token}}})
