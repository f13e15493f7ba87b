"""The object store of an environment on a cluster: MinIO or SeaweedFS in it, or one that somebody else runs."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.components.kubernetes.store import minio, seaweedfs, server, setup
from mlops_platform.components.kubernetes.store.consumers import ARTIFACT, CONSUMERS, DATA, PROJECT
from mlops_platform.components.kubernetes.store.server import COMPONENT, PORT, Server
from mlops_platform.components.local.external_store import read_keys
from mlops_platform.components.object_store import ObjectStore
from mlops_platform.names import bucket_name
from mlops_platform.resources.certificate import Certificate
from mlops_platform.resources.external_bucket import ExternalBucket
from mlops_platform.resources.identity import Identity
from mlops_platform.resources.lasting_choice import LastingChoice
from mlops_platform.resources.password import Password

_REGION = "us-east-1"
_ROOT_USER = "root"


class ClusterStore(ObjectStore):
    """An S3 API with the project's two buckets, where each consumer has keys of its own.

    In a store elsewhere, all of them have the keys that the environment variables AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY name: only those who run it can make others.

    Args:
        name: Pulumi name.
        cluster: where. Its settings say which store, how big it is, and whether it speaks TLS.
        namespace: that it is put into.
        opts: Pulumi options.

    Attributes:
        authority: certificate of the authority that its own was signed by, as PEM; None: a public one, or no TLS.

    Raises:
        PlatformError: the store is elsewhere, and the variables with its keys are not set.
    """

    authority: pulumi.Output[str] | None = None

    def __init__(
        self,
        name: str,
        *,
        cluster: Cluster,
        namespace: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        keys = read_keys() if cluster.settings.store.kind == "s3" else None
        super().__init__("mlops:kubernetes:ClusterStore", name, None, opts)
        self._cluster = cluster
        # Everything waits for it: it is what refuses to exchange the store of a living environment.
        self._choice = LastingChoice(
            "store-choice",
            subject="environment's store",
            value=_kind(cluster),
            keys="store and size",
            opts=pulumi.ResourceOptions(parent=self),
        )
        if keys:
            self._use_external(keys)
        else:
            self._run(namespace)
        self.access_key, self.secret_key = self.keys(PROJECT)
        self.register_outputs(
            {"endpoint": self.endpoint, "data_bucket": self.data_bucket, "artifact_bucket": self.artifact_bucket}
        )

    def keys(self, consumer: str) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Key id and secret of a consumer, which work as soon as they are known.

        Raises:
            KeyError: there is no such consumer.
        """
        return self._keys[consumer]

    def _use_external(self, keys: tuple[str, str]) -> None:
        settings = self._cluster.settings
        child = pulumi.ResourceOptions(parent=self, depends_on=[self._choice])
        self.endpoint, self.region = settings.store.endpoint, settings.store.region
        access_key, secret_key = (pulumi.Output.secret(key) for key in keys)
        self._keys = dict.fromkeys(CONSUMERS, (access_key, secret_key))
        identity = Identity("store-identity", opts=child)
        default_names = self._buckets()
        self.data_bucket, self.artifact_bucket = (
            ExternalBucket(
                purpose,
                bucket=given or default_names[purpose],
                existing=bool(given),
                endpoint=self.endpoint,
                region=self.region,
                access_key=access_key,
                secret_key=secret_key,
                owner=identity.value,
                opts=child,
            ).bucket
            for purpose, given in ((DATA, settings.store.data_bucket), (ARTIFACT, settings.store.artifact_bucket))
        )

    def _run(self, namespace: pulumi.Input[str]) -> None:
        child = pulumi.ResourceOptions(parent=self, depends_on=[self._choice])
        self.region = _REGION
        passwords = {name: Password(f"store-{name}", opts=child).value for name in CONSUMERS}
        root = Password("store-root", opts=child).value
        buckets = self._buckets()
        ready: list[pulumi.Resource] = [self._choice, self._secret(namespace, server.ROOT, _root(root))]
        tls = server.TLS if self._cluster.options.store_tls else ""
        if tls:
            ready.append(self._certify(namespace, child))
        program = self._program(namespace, root, passwords, buckets, tls, ready)
        resources, volumes = server.run(self, cluster=self._cluster, namespace=namespace, program=program, after=ready)
        scheme = "https" if tls else "http"
        address = pulumi.Output.concat(f"{scheme}://{COMPONENT}.", namespace, f".svc:{PORT}")
        done = setup.declare(
            self,
            cluster=self._cluster,
            namespace=namespace,
            server=Server(
                endpoint=address,
                client_image=minio.image(self._cluster),
                keeps_users=self._cluster.settings.store.kind == "minio",
                tls=tls,
                volume_ids=volumes,
            ),
            buckets=buckets,
            users=passwords,
            after=resources,
        )
        self.endpoint = _once(done, address)
        self.data_bucket, self.artifact_bucket = (_once(done, buckets[purpose]) for purpose in (DATA, ARTIFACT))
        self._keys = {name: (_once(done, name), _once(done, password)) for name, password in passwords.items()}

    def _program(
        self,
        namespace: pulumi.Input[str],
        root: pulumi.Output[str],
        passwords: Mapping[str, pulumi.Output[str]],
        buckets: Mapping[str, str],
        tls: str,
        ready: list[pulumi.Resource],
    ) -> server.Program:
        if self._cluster.settings.store.kind == "minio":
            return minio.program(self._cluster, region=_REGION, namespace=namespace, tls=tls)
        if self._cluster.workload(COMPONENT).replicas > 1:
            pulumi.log.warn(
                "SeaweedFS runs in one pod, also in an environment of the size ha: while its node is down, the store is"
                " too. The store minio is spread over several.",
                self,
            )
        users = pulumi.Output.all(root=root, **passwords).apply(
            lambda known: seaweedfs.identities(
                (_ROOT_USER, known["root"]), {name: known[name] for name in passwords}, buckets
            )
        )
        ready.append(self._secret(namespace, seaweedfs.IDENTITIES, {seaweedfs.IDENTITIES_KEY: users}))
        return seaweedfs.program(self._cluster, users=users, tls=tls)

    def _certify(self, namespace: pulumi.Input[str], child: pulumi.ResourceOptions) -> pulumi.Resource:
        service = pulumi.Output.concat(COMPONENT, ".", namespace)
        certificate = Certificate(
            "store-certificate",
            hosts=[
                *(pulumi.Output.concat(service, suffix) for suffix in (".svc", ".svc.cluster.local", "")),
                COMPONENT,
                pulumi.Output.concat("*.", server.PEERS, ".", namespace, ".svc"),
                # By a forwarded port.
                "localhost",
                "127.0.0.1",
            ],
            opts=child,
        )
        self.authority = certificate.authority
        files = {
            server.AUTHORITY_KEY: certificate.authority,
            server.CERTIFICATE_KEY: certificate.certificate,
            server.PRIVATE_KEY: certificate.private_key,
        }
        return self._secret(namespace, server.TLS, files)

    def _secret(
        self, namespace: pulumi.Input[str], name: str, values: Mapping[str, pulumi.Input[str]]
    ) -> pulumi.Resource:
        secret: pulumi.Resource = kubernetes.core.v1.Secret(
            name,
            metadata=self._cluster.metadata(name, COMPONENT, namespace=namespace),
            string_data=dict(values),
            opts=self._cluster.child(self, depends_on=[self._choice]),
        )
        return secret

    def _buckets(self) -> dict[str, str]:
        settings = self._cluster.settings
        return {purpose: bucket_name(settings.project, settings.stack, purpose) for purpose in (DATA, ARTIFACT)}


def _root(password: pulumi.Output[str]) -> dict[str, pulumi.Input[str]]:
    return {"user": _ROOT_USER, "password": password}


def _kind(cluster: Cluster) -> str:
    """What can't become another one in place: the program, and for MinIO whether its objects are spread over pods."""
    kind, pods = cluster.settings.store.kind, cluster.workload(COMPONENT).replicas
    return f"{kind} in {pods} pods" if kind == "minio" and pods > 1 else kind


def _once(done: pulumi.Output[str], value: pulumi.Input[str]) -> pulumi.Output[str]:
    """A value that is known when the store can be used."""
    return pulumi.Output.all(done, value).apply(lambda known: str(known[1]))
