"""A cluster for tests, the provider plugin for the engine, and stacks that use both."""

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import kubernetes
import pytest
from pulumi import automation
from pulumi.automation import ProjectBackend, ProjectSettings
from tests.cluster import control_plane, programs
from tests.cluster.control_plane import Cluster

from seedbed.environments.engine import Engine
from seedbed.errors import ToolMissingError

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = "pulumi-resource-kubernetes"
OWN_KUBECONFIG = "SEEDBED_TEST_KUBECONFIG"
# Read before any test moves the home folder and clears such variables.
_OWN = os.environ.get(OWN_KUBECONFIG)
_PULUMI_HOME = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))


# A file that imports the fixture gets a fixture of its own; the cluster behind it is one a process all the same.
_started = []


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real API server: your own where `SEEDBED_TEST_KUBECONFIG` names a kubeconfig, else one that is started here."""
    if _started:
        yield _started[0]
        return
    with contextlib.ExitStack() as stack:
        found = _own_cluster() if _OWN else stack.enter_context(_fresh_cluster(tmp_path_factory))
        _started.append(found)
        yield found
        _started.clear()


def _own_cluster():
    _, current = kubernetes.config.list_kube_config_contexts(_OWN)
    return Cluster(Path(_OWN), current["name"], shutil.which("kubectl"), simulated=False)


@contextlib.contextmanager
def _fresh_cluster(tmp_path_factory):
    try:
        built = programs.obtain(lambda text: sys.stderr.write(f"{text}\n"))
    except (ToolMissingError, OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Kubernetes API server can be built here, and {OWN_KUBECONFIG} names no cluster: {error}")
    with control_plane.running(built, tmp_path_factory.mktemp("control-plane")) as found:
        yield found


@pytest.fixture(scope="session")
def plugin(tmp_path_factory):
    """The folder with the provider's program: the real one where it is installed, else the stand-in."""
    if found := shutil.which(PLUGIN):
        return Path(found).parent
    if installed := sorted(_PULUMI_HOME.glob(f"plugins/resource-kubernetes-v*/{PLUGIN}")):
        return installed[-1].parent
    program = tmp_path_factory.mktemp("plugin") / PLUGIN
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m tests.cluster.standin "$@"\n')
    program.chmod(0o755)
    return program.parent


@dataclass
class Run:
    """What one command of the engine did: operation by resource name, and the summary's counts."""

    operations: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)


@dataclass
class Stack:
    """A small Pulumi program of a test's own, and its stack."""

    stack: automation.Stack
    folder: Path

    def program(self, text):
        """Replace the program; `provider` is the cluster's."""
        (self.folder / "__main__.py").write_text(_PREAMBLE + text)
        return self

    def up(self, **options):
        return self._run(self.stack.up, **options)

    def refresh(self, **options):
        return self._run(self.stack.refresh, **options)

    def destroy(self, **options):
        return self._run(self.stack.destroy, **options)

    def preview(self):
        run = Run()
        run.changes = dict(self.stack.preview(on_event=lambda event: _note(event, run)).change_summary)
        return run

    def state(self):
        """The state as it is kept, in text."""
        return "".join(path.read_text() for path in (self.folder / "state").rglob("*.json"))

    @staticmethod
    def _run(command, **options):
        run = Run()
        result = command(on_event=lambda event: _note(event, run), **options)
        run.changes = dict(result.summary.resource_changes or {})
        return run


_PREAMBLE = """
import pulumi
import pulumi_kubernetes as kubernetes
config = pulumi.Config()
# Without a word, the SDK would keep the path in KUBECONFIG in the state.
provider = kubernetes.Provider("cluster", kubeconfig="", context=config.require("context"), enable_server_side_apply=True)
options = pulumi.ResourceOptions(provider=provider)
"""


def _note(event, run):
    done = event.resource_pre_event or event.res_outputs_event
    if done and done.metadata.op != "same":
        run.operations[done.metadata.urn.rpartition("::")[2]] = str(done.metadata.op.value)


@pytest.fixture(scope="session")
def engine_variables(pulumi, plugin, cluster, tmp_path_factory):
    """The environment in which the engine finds its programs, the plugin and the cluster."""
    folders = [str(Path(sys.executable).parent), str(pulumi.folder), str(plugin), os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(folders), "KUBECONFIG": str(cluster.kubeconfig),
        "PULUMI_CONFIG_PASSPHRASE": "of the test", "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi-home")),
    }  # fmt: skip


@pytest.fixture(scope="module")
def stack(pulumi, cluster, engine_variables, tmp_path_factory):
    """An empty stack on the cluster for the tests of a file, which leaves nothing there."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "state").mkdir()
    settings = ProjectSettings("standin", "python", backend=ProjectBackend(f"file://{folder}/state"))
    workspace = automation.LocalWorkspace(
        work_dir=str(folder), project_settings=settings, env_vars=engine_variables,
        pulumi_command=Engine(pulumi, lambda _: None),
    )  # fmt: skip
    made = automation.Stack.create("test", workspace)
    made.set_config("context", automation.ConfigValue(cluster.context))
    yield Stack(made, folder)
    made.destroy()
