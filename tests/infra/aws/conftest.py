"""The resources that the program would make on AWS, recorded without an engine."""

import dataclasses
from pathlib import Path

import pulumi
import pytest
import yaml
from pulumi.runtime import mocks
from tests.infra.kubernetes import kubeflow_manifests, monitored

from mlops_platform import recording, settings
from mlops_platform.components.aws import account

ACCOUNT, REGION = "123456789012", "eu-west-1"


@dataclasses.dataclass
class Resource:
    """One resource with what the engine is told of it."""

    type: str
    name: str
    inputs: dict
    urn: str
    parent: str
    dependencies: tuple
    protect: bool
    custom: bool


@dataclasses.dataclass
class Recorded:
    """What a program declared, and its outputs."""

    resources: list
    outputs: dict = dataclasses.field(default_factory=dict)

    def all(self, type_):
        """Those of a type, without its package and module: "Bucket" finds aws:s3/bucket:Bucket."""
        return [r for r in self.resources if r.type.rpartition(":")[2].rpartition("/")[2] == type_]

    def find(self, type_, name=None):
        """The only one of a type (and Pulumi name)."""
        found = [r for r in self.all(type_) if name in (None, r.name)]
        assert len(found) == 1, [(r.type, r.name) for r in self.resources]
        return found[0]


class Monitor(mocks.MockMonitor):
    """Keeps what the engine is told beside a resource's inputs."""

    def __init__(self, recorder):
        super().__init__(recorder)
        self.registered = []

    def RegisterResource(self, request):  # noqa: N802 - the name of the call
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            inputs = recording.plain(mocks.rpc.deserialize_properties(request.object))
            self.registered.append(
                Resource(
                    request.type, request.name, inputs, response.urn, request.parent, tuple(request.dependencies),
                    bool(request.protect), bool(request.custom),
                )
            )  # fmt: skip
        return response


@pytest.fixture
def configured():
    """Settings of an environment on AWS, from configuration values."""

    def make(*, stack="prod", **values):
        given = {"target": "aws", "account": ACCOUNT, "region": REGION, "project": "flights", **values}
        return settings.load({k: v for k, v in given.items() if v}.get, stack=stack, directory=Path("/project/infra"))

    return make


def made(type_, name, inputs):
    """What AWS would answer: ARNs and addresses as it makes them, as far as the program uses them."""
    return recording.placeholders(type_, name, inputs)


@pytest.fixture
def record():
    """Run a function that declares resources, and give what it declared; what it returns are the outputs."""

    def run(declare, *, outputs=made):
        found = {}
        recorder = recording.Recorder(outputs)
        monitor = Monitor(recorder)
        pulumi.runtime.set_mocks(recorder, project="mlops-platform", stack="prod", preview=False, monitor=monitor)

        @pulumi.runtime.test
        def program():
            return collect(declare() or {})

        async def collect(returned):
            for name, value in returned.items():
                found[name] = await pulumi.Output.from_input(value).future()

        program()
        # In which order they come depends on what is ready first.
        return Recorded(sorted(monitor.registered, key=lambda resource: (resource.type, resource.name)), found)

    return run


@pytest.fixture
def on_aws(record, configured):
    """Record what `declare(account)` makes on AWS with these configuration values."""

    def run(declare, **values):
        return record(lambda: declare(account.connect(configured(**values))))

    return run


@pytest.fixture
def whole(record, configured, tmp_path, monkeypatch):
    """Record a whole environment, Kubeflow's objects and the project's monitoring included."""
    from mlops_platform import targets
    from mlops_platform.components.kubernetes.monitoring import grafana, monitoring, project

    files = project.ProjectFiles(prometheus={}, rules={}, alertmanager={}, dashboards={}, provisioning={})
    monkeypatch.setattr(project, "read", lambda: files)
    for module in (grafana, monitoring):
        monkeypatch.setattr(module, "Password", monitored.Drawn)
    manifests = tmp_path / "kubeflow.yaml"
    manifests.write_text(yaml.safe_dump_all(kubeflow_manifests.objects()))

    def run(**values):
        given = {
            "repository": "github.com/acme/flights", "repositoryIds": "1296269/501", "budget": "500",
            "budgetEmail": "ml@acme.com", **values,
        }  # fmt: skip
        if given.get("variant", "platform") == "platform":
            image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/flights-prod/flights"
            given |= {
                "pipelinesManifests": str(manifests), "serviceImage": f"{image}/serving:1",
                "pipelineImage": f"{image}/pipeline:1", **values,
            }  # fmt: skip
        settings = configured(**given)
        return record(lambda: vars(targets.build(settings)))

    return run
