"""The container registry: what is declared, and the registry program with that very configuration."""

import base64
import contextlib
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.e2e.test_project import free_port
from tests.infra.kubernetes import container_runtime, drawn, running_store
from tests.infra.kubernetes.processes import Container, unpack
from tests.infra.kubernetes.running_store import BUCKETS
from tests.infra.kubernetes.stores import FakeStore

from mlops_platform.errors import PlatformError

mc, make_store = running_store.mc, running_store.make_store  # fixtures
NAMESPACE, PULLING = "flights-prod", "flights-prod-serving"


@pytest.fixture
def registry(on_cluster, monkeypatch):
    from mlops_platform.components.kubernetes.registry import Registry
    from mlops_platform.components.kubernetes.registry import registry as module

    monkeypatch.setattr(module, "Password", drawn.PASSWORD)
    monkeypatch.setattr(module, "Htpasswd", drawn.HTPASSWD)

    def declare(cluster, store):
        made = Registry("registry", cluster=cluster, namespace=NAMESPACE, store=store)
        return {
            "address": made.address, "push_address": made.push_address,
            "username": made.username, "password": made.password,
            "pull_secret": made.pull_secret(PULLING, "registry") or "",
        }  # fmt: skip

    return lambda store=None, **values: on_cluster(lambda cluster: declare(cluster, store or FakeStore()), **values)


def pod(recorded):
    return recorded.find("Deployment", "registry")["spec"]["template"]["spec"]


def configuration(recorded):
    secrets = {s["metadata"]["name"]: s for s in recorded.all("Secret") if s["metadata"]["namespace"] == NAMESPACE}
    return json.loads(secrets["registry"]["stringData"]["config.yml"])


def test_nodes_reach_it_at_a_port_of_their_own(registry):
    recorded = registry()
    assert recorded.outputs["address"] == "localhost:30500/flights"
    assert recorded.outputs["push_address"] == "registry.flights-prod.svc:5000/flights"
    spec = recorded.find("Service", "registry")["spec"]
    assert spec["type"] == "NodePort"
    assert spec["ports"] == [{"name": "registry", "port": 5000, "targetPort": "registry", "nodePort": 30500}]
    assert registry(registryPort="31234").outputs["address"] == "localhost:31234/flights"


def test_where_an_ingress_with_tls_publishes_it_it_has_that_name(registry):
    recorded = registry(domain="ml.example.com", clusterIssuer="letsencrypt")
    assert recorded.outputs["address"] == "registry.ml.example.com/flights"
    assert "type" not in recorded.find("Service", "registry")["spec"]


def test_a_domain_without_tls_changes_nothing(registry):
    assert registry(domain="ml.example.com").outputs["address"] == "localhost:30500/flights"


def test_the_account_is_put_where_images_are_pulled(registry):
    recorded = registry()
    (secret,) = [s for s in recorded.all("Secret") if s["metadata"]["namespace"] == PULLING]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert secret["metadata"]["name"] == recorded.outputs["pull_secret"] == "registry"
    auths = json.loads(secret["stringData"][".dockerconfigjson"])["auths"]
    username, password = recorded.outputs["username"], recorded.outputs["password"]
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    assert auths == {"localhost:30500": {"username": username, "password": password, "auth": token}}


@pytest.mark.parametrize("size", ["small", "standard"])
def test_one_pod_keeps_images_on_a_volume(registry, size):
    recorded = registry(size=size, storageClass="fast")
    deployment = recorded.find("Deployment", "registry")["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {"type": "Recreate"}, "two pods can't have the volume at once"
    assert recorded.find("PersistentVolumeClaim", "registry")["spec"]["storageClassName"] == "fast"
    assert {"name": "images", "persistentVolumeClaim": {"claimName": "registry"}} in pod(recorded)["volumes"]
    assert configuration(recorded)["storage"]["filesystem"] == {"rootdirectory": "/var/lib/registry"}


def test_the_account_is_also_beside_the_registry_for_those_who_push(registry):
    recorded = registry()
    (pushing, pulling) = (s["stringData"] for s in recorded.all("Secret") if "dockerconfigjson" in s.get("type", ""))
    assert pushing == pulling
    assert recorded.find("Secret", "registry-account")["metadata"]["namespace"] == NAMESPACE


def test_several_pods_keep_images_in_the_store(registry):
    recorded = registry(FakeStore(authority="-----BEGIN CERTIFICATE-----"), size="ha")
    deployment = recorded.find("Deployment", "registry")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"type": "RollingUpdate"}
    assert not recorded.all("PersistentVolumeClaim")
    assert recorded.find("PodDisruptionBudget", "registry")
    driver = configuration(recorded)["storage"]["s3"]
    assert driver["rootdirectory"] == "/images"
    assert (driver["accesskey"], driver["secretkey"]) == ("registry-id", "registry-secret")
    variables = {item["name"]: item["value"] for item in pod(recorded)["containers"][0]["env"]}
    assert variables["SSL_CERT_FILE"] == "/etc/registry/ca.crt"


def test_on_aws_itself_the_store_needs_no_address(registry):
    driver = configuration(registry(FakeStore(endpoint=""), size="ha"))["storage"]["s3"]
    assert not {"regionendpoint", "forcepathstyle"} & driver.keys()
    assert driver["secure"] is True


def test_no_password_is_outside_of_a_secret(registry):
    recorded = registry(size="ha")
    secrets = {recorded.outputs["password"], "registry-secret", configuration(recorded)["http"]["secret"]}
    rest = json.dumps([o for o in recorded.objects if o["kind"] != "Secret"])
    assert not [secret for secret in secrets if secret in rest]


EXTERNAL = {"registry": "ghcr.io/acme"}


def test_a_registry_elsewhere_is_only_named(registry, monkeypatch):
    monkeypatch.setenv("REGISTRY_USERNAME", "robot")
    monkeypatch.setenv("REGISTRY_PASSWORD", "t0ken")
    recorded = registry(**EXTERNAL)
    assert recorded.outputs["address"] == recorded.outputs["push_address"] == "ghcr.io/acme"
    (only,) = recorded.objects
    assert json.loads(only["stringData"][".dockerconfigjson"])["auths"].keys() == {"ghcr.io"}


@pytest.fixture
def no_account(monkeypatch):
    for name in ("REGISTRY_USERNAME", "REGISTRY_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_account")
def test_a_registry_elsewhere_that_nodes_may_use_by_themselves_needs_no_account(registry):
    recorded = registry(**EXTERNAL)
    assert recorded.objects == []
    assert recorded.outputs["pull_secret"] == ""


@pytest.mark.usefixtures("no_account")
@pytest.mark.parametrize(
    ("given", "missing"),
    [("REGISTRY_USERNAME", "REGISTRY_PASSWORD"), ("REGISTRY_PASSWORD", "REGISTRY_USERNAME")],
)
def test_half_an_account_is_an_error(registry, monkeypatch, given, missing):
    monkeypatch.setenv(given, "x")
    with pytest.raises(PlatformError, match=f"{missing} is not set"):
        registry(**EXTERNAL)


# The program itself.


class Client:
    """As much of a container runtime as it takes to push and to pull."""

    def __init__(self, url, username="", password=""):
        self.url, self.account = url, f"{username}:{password}" if username else ""

    def ask(self, method, path, body=None, **headers):
        """The status, the headers and the body of the answer."""
        if self.account:
            headers["Authorization"] = f"Basic {base64.b64encode(self.account.encode()).decode()}"
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def push(self, name, tag, content, config=b"{}"):
        """An image with one layer; its digest."""
        blobs = [self._blob(name, blob) for blob in (config, content)]
        kinds = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar")
        config, layer = (
            {"mediaType": kind, "digest": digest, "size": size}
            for kind, (digest, size) in zip(kinds, blobs, strict=True)
        )
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        body = json.dumps(manifest).encode()
        status, headers, _ = self.ask("PUT", f"/v2/{name}/manifests/{tag}", body, **{"Content-Type": MANIFEST})
        assert status == 201
        return headers["Docker-Content-Digest"]

    def _blob(self, name, content):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        status, headers, _ = self.ask("POST", f"/v2/{name}/blobs/uploads/", b"")
        assert status == 202
        place = headers["Location"]
        place += f"{'&' if '?' in place else '?'}digest={digest}"
        status, _, answer = self.ask("PUT", place, content, **{"Content-Type": "application/octet-stream"})
        assert status == 201, answer
        return digest, len(content)

    def pull(self, name, tag):
        """The layer of an image; None if there is no such image."""
        status, _, body = self.ask("GET", f"/v2/{name}/manifests/{tag}", Accept=MANIFEST)
        if status != 200:
            return None
        (layer,) = json.loads(body)["layers"]
        status, headers, content = self.ask("GET", f"/v2/{name}/blobs/{layer['digest']}")
        assert "Location" not in headers, "nodes can't follow it to the store"
        return content if status == 200 else None


MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def running(tmp_path):
    """The registry as its container would run it, with a client that has the account."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no container registry here (Debian: apt-get install docker-registry)")

    def start(recorded, stack):
        content = pod(recorded)
        unpack(_with_paths_of(recorded, tmp_path), content["volumes"], tmp_path)
        container = Container(content["containers"][0], tmp_path, {})
        container.command[0] = program
        port = free_port()
        container.variables["REGISTRY_HTTP_ADDR"] = f"127.0.0.1:{port}"
        url = f"http://127.0.0.1:{port}"
        path = content["containers"][0]["readinessProbe"]["httpGet"]["path"]
        stack(container.serving(url=url + path))
        return container, Client(url, recorded.outputs["username"], recorded.outputs["password"])

    with contextlib.ExitStack() as stack:
        yield lambda recorded: start(recorded, stack.enter_context)


def _with_paths_of(recorded, folder):
    """The same objects, with the paths of the pod in its configuration as paths below a folder."""

    class Moved:
        def find(self, kind, name):
            (found,) = [
                o
                for o in recorded.all(kind)
                if (o["metadata"]["name"], o["metadata"]["namespace"]) == (name, NAMESPACE)
            ]
            text = json.dumps(found)
            for volume in pod(recorded)["containers"][0]["volumeMounts"]:
                text = text.replace(volume["mountPath"] + "/", f"{folder}/volumes/{volume['name']}/").replace(
                    f'{volume["mountPath"]}\\"', f'{folder}/volumes/{volume["name"]}\\"'
                )
            return json.loads(text)

    return Moved()


def test_nobody_gets_in_without_the_account(registry, running):
    recorded = registry()
    _, client = running(recorded)
    client.push("flights/app", "1", b"layer")
    username, password = recorded.outputs["username"], recorded.outputs["password"]
    for stranger in (Client(client.url), Client(client.url, username, "wrong"), Client(client.url, "root", password)):
        for method, path in [
            ("GET", "/v2/"), ("GET", "/v2/_catalog"), ("GET", "/v2/flights/app/manifests/1"),
            ("POST", "/v2/flights/app/blobs/uploads/"), ("DELETE", "/v2/flights/app/manifests/1"),
        ]:  # fmt: skip
            assert stranger.ask(method, path)[0] == 401, (method, path)
    assert client.ask("GET", "/v2/")[0] == 200


def test_who_has_the_account_pushes_pulls_and_deletes_and_room_is_made(registry, running, tmp_path):
    container, client = running(registry())
    digest = client.push("flights/app", "1", b"old layer")
    assert client.pull("flights/app", "1") == b"old layer"
    client.push("flights/app", "2", b"new layer")
    assert client.ask("DELETE", f"/v2/flights/app/manifests/{digest}")[0] == 202
    assert client.pull("flights/app", "1") is None
    layers = [f for f in (tmp_path / "volumes/images").rglob("data") if f.read_bytes() == b"old layer"]
    assert layers, "deleted is not yet gone"
    # As docs/registry-on-a-cluster.md says.
    program, _, configuration = container.command
    container.command = [program, "garbage-collect", "--delete-untagged", configuration]
    done = container.run()
    assert done.returncode == 0, done.stdout
    assert not layers[0].exists()
    assert client.pull("flights/app", "2") == b"new layer"


def test_a_nodes_runtime_pulls_by_the_name_that_images_have_with_the_pull_secret_and_not_without(registry, running):
    recorded = registry()
    _, client = running(recorded)
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        files.addfile(tarfile.TarInfo("hello"))
    layers = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": layers}
    client.push("flights/app", "1", layer.getvalue(), json.dumps(config).encode())
    # Where the node port is on a node, the registry itself is here; the rest of the name is the environment's.
    port = client.url.rpartition(":")[2]
    image = recorded.outputs["address"].replace(":30500/", f":{port}/") + "/app:1"
    (secret,) = [s for s in recorded.all("Secret") if s["metadata"]["namespace"] == PULLING]
    login = json.loads(secret["stringData"][".dockerconfigjson"])["auths"]["localhost:30500"]
    # A socket's path has room for a hundred characters, which a test's own folder may need.
    with tempfile.TemporaryDirectory() as folder, container_runtime.running(Path(folder)) as runtime:
        assert "401 Unauthorized" in runtime.pull(image)
        assert runtime.pull(image, login["username"], login["password"]) == ""


def test_its_own_addresses_are_relative_so_that_any_way_to_it_works(registry, running):
    _, client = running(registry())
    status, headers, _ = client.ask("POST", "/v2/flights/app/blobs/uploads/", b"", Host="registry.ml.example.com")
    assert status == 202
    assert headers["Location"].startswith("/v2/")


@pytest.mark.parametrize("name", ["seaweedfs", "minio"])
def test_images_in_the_store_need_no_more_than_the_registrys_own_user_may(registry, running, make_store, name):
    with make_store(name).serving() as store:
        assert store.set_up().returncode == 0
        _, client = running(registry(OwnStore(store), size="ha"))
        large = b"layer" * 4_000_000  # sent to the store in several parts
        digest = client.push("flights/app", "1", large)
        assert client.pull("flights/app", "1") == large
        assert client.ask("DELETE", f"/v2/flights/app/manifests/{digest}")[0] == 202
        assert client.pull("flights/app", "1") is None


class OwnStore(FakeStore):
    """A running one, of which the registry has its own user."""

    region = "us-east-1"

    def __init__(self, store):
        super().__init__(store.url)
        self.artifact_bucket = BUCKETS["artifacts"]
        self.password = store.recorded.outputs["registry"]

    def keys(self, consumer):
        assert consumer == "registry"
        return consumer, self.password
