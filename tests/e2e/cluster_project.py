"""A generated project whose environment is on the test cluster, and ways in which that cluster can fail."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.cluster.api import wait

SPEC = """
[project]
name = "{name}"
[choices]
ci = "none"
[data]
source = "table.csv"
target = "y"
[data.features]
x = "number"
[environments.dev]
target = "kubernetes"
context = "{context}"
{more}
"""
# A namespace with something in it, as the whole program would make it, and a file that is not on the cluster.
PROGRAM = """
import os, pathlib
import pulumi, pulumi_kubernetes as kubernetes
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Files(ResourceProvider):
    def create(self, props):
        pathlib.Path(props["path"]).write_text(str(props["about"]))
        return CreateResult("file", props)
    def delete(self, _id, props):
        pathlib.Path(props["path"]).unlink()

class File(Resource):
    def __init__(self, name, path, about, opts=None):
        super().__init__(Files(), name, {"path": path, "about": about}, opts)

config = pulumi.Config()
label = f"{config.require('project')}.{pulumi.get_stack()}"
labels = {"seedbed/environment": label}
provider = kubernetes.Provider("cluster", kubeconfig="", context=config.require("context"))
options = pulumi.ResourceOptions(provider=provider)
name = f"{config.require('project')}-{pulumi.get_stack()}"
namespace = kubernetes.core.v1.Namespace("namespace", metadata={"name": name, "labels": labels}, opts=options)
there = namespace.metadata["name"]
kubernetes.core.v1.ConfigMap("map", metadata={"name": "map", "namespace": there, "labels": labels}, opts=options)
pod = {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"name": "c", "image": "example.com/web:1"}]}}
kubernetes.apps.v1.Deployment(
    "web", metadata={"name": "web", "namespace": there, "labels": labels},
    spec={"selector": {"match_labels": {"app": "web"}}, "template": pod}, opts=options,
)
File("elsewhere", os.environ["ELSEWHERE"], namespace.id)
pulumi.export("namespace", there)
"""


def generate(seedbed, folder, context, *more, name="Cluster Test", env=None):
    """A project with one environment `dev`; nothing of it is installed."""
    folder.mkdir(parents=True)
    (folder / "table.csv").write_text("x,y\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(60)))
    (folder / "spec.toml").write_text(SPEC.format(name=name, context=context, more="\n".join(more)))
    made = seedbed("new", folder / "project", "--spec", folder / "spec.toml", "--no-input", env=env)
    assert made.code == 0, made.out + made.err
    return folder / "project"


def with_small_program(root):
    """The project with a small program in place of infra/'s own, run by the Python of the tests."""
    (root / "infra" / "__main__.py").write_text(PROGRAM)
    environment = Path(sys.prefix)
    (root / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (root / ".venv" / name).symlink_to(environment / name)
    (root / ".venv" / ".ready").touch()
    return root


def account(cluster, namespace, name, rules=()):
    """The token of a service account with these rights on the whole cluster."""
    api = cluster.api
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
    if rules:
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
        api.apply({**role, "kind": "ClusterRole", "rules": list(rules)})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        api.apply({**role, "kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": reference})
        wait(lambda: _holds(api, f"{namespace}:{name}", rules[-1]))
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return wait(lambda: api.request("POST", path, body))["status"]["token"]


def _holds(api, subject, rule):
    """Whether the server knows a rule: it decides by copies, which follow what was applied."""
    resource, _, subresource = rule["resources"][0].partition("/")
    resource = f"{resource}.{rule['apiGroups'][0]}/{subresource}"
    return api.allows(subject, rule["verbs"][0], resource, name=rule.get("resourceNames", [""])[0])


def remove_account(cluster, namespace, name):
    for kind in ("ClusterRoleBinding", "ClusterRole"):
        cluster.api.delete(cluster.api.path("rbac.authorization.k8s.io/v1", kind, name))
    cluster.api.delete(cluster.api.path("v1", "ServiceAccount", name, namespace))


def kubeconfig(cluster, path, *, server="", token="", user=None, name="other", authority=True):
    """A kubeconfig with one context, which differs from the cluster's own in what is given."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    entry = next(c["context"] for c in whole["contexts"] if c["name"] == cluster.context)
    place = dict(next(c["cluster"] for c in whole["clusters"] if c["name"] == entry["cluster"]))
    who = user or ({"token": token} if token else next(u["user"] for u in whole["users"] if u["name"] == entry["user"]))
    if server:
        place["server"] = server
    if not authority:
        place = {"server": place["server"]}
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": f"{name}-cluster", "cluster": place}], "users": [{"name": f"{name}-user", "user": who}],
        "contexts": [{"name": name, "context": {"cluster": f"{name}-cluster", "user": f"{name}-user"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass
class Proxy:
    """A way to the API server that can be cut: `passing`, `silent` (takes connections, says nothing) or closed."""

    target: tuple
    server: socket.socket
    passing: bool = True

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server.getsockname()[1]}"

    def close(self):
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()

    def serve(self):
        kept = []
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                break
            kept.append(client)
            if self.passing:
                upstream = socket.create_connection(self.target)
                kept.append(upstream)
                for source, sink in ((client, upstream), (upstream, client)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()
        for connection in kept:
            connection.close()


def _pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxied(cluster):
    """A proxy before the cluster's API server."""
    whole = yaml.safe_load(cluster.kubeconfig.read_text())
    entry = next(c["context"] for c in whole["contexts"] if c["name"] == cluster.context)
    url = next(c["cluster"]["server"] for c in whole["clusters"] if c["name"] == entry["cluster"])
    host, _, port = url.removeprefix("https://").partition(":")
    proxy = Proxy((host, int(port or 443)), socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(10)


def kubectl(cluster, *arguments):
    result = subprocess.run(
        [cluster.kubectl, "--kubeconfig", str(cluster.kubeconfig), "--context", cluster.context, *arguments],
        capture_output=True, text=True, check=True, timeout=60, env=os.environ,
    )  # fmt: skip
    return result.stdout
