"""The store as a process of this machine: its server with the arguments of its container, set up by its Job's script."""

import contextlib
import shutil
import ssl

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from tests.infra import mc_program, minio_program
from tests.infra.kubernetes import drawn
from tests.infra.kubernetes.processes import Container, unpack

from mlops_platform.supervision import ports

NAMESPACE = "flights-prod"
BUCKETS = {"data": "flights-prod-data", "artifacts": "flights-prod-artifacts", "another": "flights-prod-another"}
# What can be chosen, by a name for it.
STORES = {
    "minio": {},
    "minio-tls": {"storeTls": "true"},
    "seaweedfs": {"store": "seaweedfs"},
    "seaweedfs-tls": {"store": "seaweedfs", "storeTls": "true"},
}


@pytest.fixture(scope="session")
def mc(tmp_path_factory):
    """A folder with MinIO's client under the name that it has in the image."""
    program = mc_program.find()
    if program is None:
        pytest.skip("no client of MinIO in the cache, where `python -m tests.programs` builds it")
    folder = tmp_path_factory.mktemp("bin")
    (folder / "mc").symlink_to(program)
    return folder


@pytest.fixture
def make_store(on_cluster, monkeypatch, mc, tmp_path):
    """The store of a name in `STORES`, not yet running; its passwords and certificates are real ones."""
    from mlops_platform.components.kubernetes.store import ClusterStore, cluster_store

    monkeypatch.setattr(cluster_store, "Password", drawn.PASSWORD)
    monkeypatch.setattr(cluster_store, "Certificate", drawn.CERTIFICATE)

    def make(name):
        if name.startswith("minio") and minio_program.find() is None:
            pytest.skip(minio_program.MISSING)
        recorded = on_cluster(
            lambda cluster: _outputs(ClusterStore("store", cluster=cluster, namespace=NAMESPACE)), **STORES[name]
        )
        folder = tmp_path / name
        folder.mkdir()
        return Store(recorded, folder, mc)

    return make


def _outputs(store):
    from mlops_platform.components.kubernetes.store.consumers import CONSUMERS

    return {name: store.keys(name)[1] for name in CONSUMERS} | {"authority": store.authority or ""}


def low_port():
    """One with room for SeaweedFS's second ports, which lie 10000 above."""
    return ports.assign({"first": 0}, {"second": ("first", 10_000)}, {}, "the test")["first"]


class Store:
    """A server, and the Job that sets it up."""

    def __init__(self, recorded, folder, mc):
        self.recorded, self.folder, self.mc = recorded, folder, mc
        self.port, self.tls = low_port(), bool(recorded.outputs["authority"])
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self.ports = {number: str(low_port()) for number in ("9333", "23646")}
        spec = recorded.find("StatefulSet", "store")["spec"]
        self.pod, (claim,) = spec["template"]["spec"], spec["volumeClaimTemplates"]
        self.claim = claim["metadata"]["name"]
        self.authority = folder / "authority.crt"
        self.authority.write_text(recorded.outputs["authority"])
        unpack(recorded, [*self.pod["volumes"], {"name": self.claim}], folder)

    @contextlib.contextmanager
    def serving(self):
        server = self.pod["containers"][0]
        context = ssl.create_default_context(cafile=self.authority) if self.tls else None
        container = Container(server, self.folder, self._ports())
        before = [minio_program.find()] if server["args"][0] == "server" else []
        if not before:
            container.command += [f"-{name}.port={low_port()}" for name in ("volume", "filer")]
        url = self.url + server["startupProbe"]["httpGet"]["path"]
        with container.serving(*before, url=url, context=context, cwd=self.folder / "volumes" / self.claim):
            yield self

    @contextlib.contextmanager
    def helpers(self):
        """The other containers of the pod; gives the planner's address."""
        url = f"http://127.0.0.1:{self.ports['23646']}"
        with contextlib.ExitStack() as stack:
            for declared in self.pod["containers"][1:]:
                container = Container(declared, self.folder, self._ports())
                stack.enter_context(container.serving(url=f"{url}/health"))
            yield url

    def _ports(self):
        """The pod's ports, which are its own, as ports of this machine; its addresses as loopback."""
        return {
            ":9000": f"127.0.0.1:{self.port}",
            "=9000": f"={self.port}",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - that which is replaced
            **self.ports,
        }

    def set_up(self, passwords=None, **variables):
        """What the Job's container does; with other passwords for some users, if given."""
        pod = self.recorded.find("Job", "store-setup")["spec"]["template"]["spec"]
        folder = self.folder / "job"
        shutil.rmtree(folder, ignore_errors=True)
        unpack(self.recorded, pod["volumes"], folder)
        for name, password in (passwords or {}).items():
            (folder / "volumes/users" / name).write_text(password)
        address = f"{'https' if self.tls else 'http'}://store.flights-prod.svc:9000"
        container = Container(pod["containers"][0], folder, {address: self.url})
        return container.run(env={"PATH": f"{self.mc}:/usr/bin:/bin", **variables})

    def client(self, consumer):
        secret = {"root": self._root(), "impostor": "no-secret-of-anybodys"}.get(consumer) or self.recorded.outputs.get(
            consumer
        )
        signed = {} if secret else {"signature_version": UNSIGNED}
        return boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1",
            aws_access_key_id="project" if consumer == "impostor" else consumer, aws_secret_access_key=secret,
            verify=str(self.authority) if self.tls else None,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}, **signed),
        )  # fmt: skip

    def _root(self):
        return self.recorded.find("Secret", "store-root")["stringData"]["password"]
