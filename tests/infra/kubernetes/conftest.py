"""The objects that the program would put on a cluster, recorded without an engine."""

import dataclasses
from pathlib import Path

import pulumi
import pytest

from mlops_platform import settings
from mlops_platform.components.kubernetes.cluster import Cluster
from mlops_platform.recording import plain

# What these make up themselves.
_DRAWN = {
    "mlops:Password": ("value",),
    "mlops:Credentials": ("access_key", "secret_key"),
    "mlops:Htpasswd": ("line",),
    "mlops:Certificate": ("authority", "certificate", "private_key"),
    "mlops:Identity": ("value",),
}


class Recorder(pulumi.runtime.Mocks):
    """Resources as they are registered; a dynamic resource's outputs are its inputs, and values that are made up."""

    def __init__(self):
        self.resources = []

    def new_resource(self, args):
        self.resources.append(args)
        made = {key: f"{args.name}-{key}" for key in _DRAWN.get(args.typ.rpartition("/")[2], ())}
        return f"{args.name}-id", {**args.inputs, **made}

    def call(self, _args):
        return {}


@dataclasses.dataclass
class Recorded:
    """What a program declared: objects for the cluster as they would be sent, and all other resources."""

    resources: list
    outputs: dict = dataclasses.field(default_factory=dict)

    @property
    def objects(self):
        found = [plain(r.inputs) for r in self.resources if r.typ.startswith("kubernetes:") and "kind" in r.inputs]
        return [value for value in found if value.get("metadata")]

    def find(self, kind, name=None):
        """The only object of this kind (and name)."""
        found = [o for o in self.objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
        assert len(found) == 1, [(o["kind"], o["metadata"]["name"]) for o in self.objects]
        return found[0]

    def all(self, kind):
        return [o for o in self.objects if o["kind"] == kind]


@pytest.fixture
def configured():
    """Settings of an environment on a cluster, from configuration values."""

    def make(**values):
        given = {"target": "kubernetes", "context": "test", "project": "flights", **values}
        return settings.load(given.get, stack="prod", directory=Path("/project/infra"))

    return make


@pytest.fixture
def record():
    """Run a function that declares resources, and give what it declared; what it returns are the outputs."""

    def run(declare):
        mocks, outputs = Recorder(), {}
        pulumi.runtime.set_mocks(mocks, project="mlops-platform", stack="prod", preview=False)

        @pulumi.runtime.test
        def program():
            returned = declare() or {}
            return collect(returned)

        async def collect(returned):
            for name, value in returned.items():
                outputs[name] = await pulumi.Output.from_input(value).future()

        program()
        return Recorded(mocks.resources, outputs)

    return run


@pytest.fixture
def on_cluster(record, configured):
    """Record what `declare(cluster)` makes on a cluster with these configuration values."""

    def run(declare, **values):
        def program():
            import pulumi_kubernetes as kubernetes

            return declare(Cluster(provider=kubernetes.Provider("cluster"), settings=configured(**values)))

        return record(program)

    return run
