"""A real control plane on loopback: what it decides is real, and only the containers are make-believe.

etcd, API server, controller manager and scheduler are Kubernetes' own, with their default admission (Pod Security,
quotas, limits) and RBAC. kwok plays the nodes: it says of pods and volumes that they are ready, and runs nothing.
"""

import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.cluster.api import Api, UnreachableError, wait

CONTEXT = "test"
NODES = 4
_OWN_STAGES = Path(__file__).with_name("stages")
_ZONES = "abc"
_READY_SECONDS = 90
_STOP_SECONDS = 10
_ATTEMPTS = 3
# The identity of each program, so that RBAC's own rules for it are what it works with.
_USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "kwok": "system:masters",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster for tests.

    Attributes:
        kubeconfig: path of a kubeconfig.
        context: the one in it that names the cluster.
        kubectl: the program, or None.
        simulated: whether pods only seem to run.
    """

    kubeconfig: Path
    context: str
    kubectl: str | None
    simulated: bool

    @property
    def api(self):
        """A connection of its own; its `warnings` begin empty."""
        return Api(str(self.kubeconfig), self.context)


class StartError(Exception):
    """A program of the control plane ended or never got ready; the message ends with its log."""


@contextlib.contextmanager
def running(programs, folder):
    """A control plane whose files are in `folder`, until the block ends."""
    for attempt in range(1, _ATTEMPTS + 1):
        with contextlib.ExitStack() as stack:
            home = folder / f"attempt-{attempt}"
            home.mkdir(parents=True)
            try:
                cluster = _start(programs, home, stack)
            except StartError:
                # Between finding a free port and listening on it another program may have taken it.
                if attempt == _ATTEMPTS:
                    raise
                continue
            yield cluster
            return


def _start(programs, home, stack):
    etcd_port, peer_port, api_port = _free_ports(3)
    tokens = {user: secrets.token_urlsafe(24) for user in _USERS}
    rows = [f'{tokens[user]},{user},{user},"{groups}"' for user, groups in _USERS.items()]
    _private(home / "tokens.csv").write_text("\n".join(rows) + "\n")

    def start(name, *arguments):
        log = home / f"{name}.log"
        process = stack.enter_context(_process([str(programs / name), *map(str, arguments)], log))
        return lambda: _alive(process, name, log)

    client, peer = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
    etcd = start(
        "etcd", "--data-dir", home / "etcd", "--unsafe-no-fsync=true", "--log-level=error",
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
    )  # fmt: skip
    _until(etcd, lambda: _answers(f"{client}/health"))
    # The API server makes itself a certificate. Its key signs the tokens of service accounts too.
    certificates = home / "certificates"
    authority, key = certificates / "apiserver.crt", certificates / "apiserver.key"
    server = start(
        "kube-apiserver", "--etcd-servers", client, "--bind-address=127.0.0.1", "--secure-port", api_port,
        "--cert-dir", certificates, "--token-auth-file", home / "tokens.csv", "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-key-file", key,
        "--service-account-signing-key-file", key, "--endpoint-reconciler-type=none",
    )  # fmt: skip
    _until(server, authority.is_file)
    files = {
        user: _kubeconfig(home / f"kubeconfig-{user.replace(':', '-')}", api_port, authority, token)
        for user, token in tokens.items()
    }
    api = Api(str(files["admin"]), CONTEXT)
    _until(server, lambda: _ready(api))
    manager = start(
        "kube-controller-manager", "--kubeconfig", files["system:kube-controller-manager"], "--secure-port=0",
        "--leader-elect=false", "--use-service-account-credentials=true", "--root-ca-file", authority,
        "--service-account-private-key-file", key,
    )  # fmt: skip
    scheduler = start(
        "kube-scheduler", "--kubeconfig", files["system:kube-scheduler"], "--secure-port=0", "--leader-elect=false"
    )
    stages = sorted([*(programs / "stages").glob("*.yaml"), *_OWN_STAGES.glob("*.yaml")])
    kinds = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in stages}
    config = [f"--config={path}" for path, content in kinds.items() if content["kind"] == "Stage"]
    kwok = start("kwok", "--kubeconfig", files["kwok"], "--manage-all-nodes=true", *config)
    for content in kinds.values():
        if content["kind"] != "Stage":
            api.apply(content)
    for number in range(NODES):
        api.apply(_node(number))
    for check in (manager, scheduler, kwok):
        # The default service account is the controller manager's first visible work, a ready node is kwok's.
        _until(
            check, lambda: api.get("v1", "ServiceAccount", "default") and all(map(_is_ready, api.list("v1", "Node")))
        )
    return Cluster(files["admin"], CONTEXT, str(programs / "kubectl"), simulated=True)


def _node(number):
    """A node of 8 cores and 32 GiB, each in a zone."""
    name = f"node-{number}"
    room = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "200Gi", "pods": "110"}
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": _ZONES[number % len(_ZONES)],
    }  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room},
    }  # fmt: skip


def _is_ready(node):
    conditions = node.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _kubeconfig(path, port, authority, token):
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)},
            }
        ],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "user"}}],
    }  # fmt: skip
    _private(path).write_text(yaml.safe_dump(content))
    return path


def _private(path):
    path.touch(mode=0o600)
    return path


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def _process(command, log):
    with log.open("wb") as file:
        # A session of its own: Ctrl-C ends the tests, which then end these in their order.
        process = subprocess.Popen(
            [*_ends_with_us(), *command],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ends_with_us():
    """What has Linux end a program when the tests are killed, and can't end anything any more."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM", "--"] if program else []


def _alive(process, name, log):
    if process.poll() is not None:
        text = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise StartError(f"{name} ended with code {process.returncode}:\n{text}")
    return log


def _until(check, condition):
    """Wait for the condition while the program lives."""
    try:
        wait(lambda: check() and condition(), _READY_SECONDS)
    except TimeoutError:
        text = check().read_text(encoding="utf-8", errors="replace")[-2000:]
        raise StartError(f"not ready after {_READY_SECONDS} s:\n{text}") from None


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _ready(api):
    try:
        return api.request("GET", "/readyz") == "ok"
    except UnreachableError:
        return False
    except Exception as error:  # noqa: BLE001 - while it starts it refuses in several ways
        return not str(error)
