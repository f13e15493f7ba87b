"""Everything that the program declares for an environment on AWS, for choices that differ in much."""

from pathlib import Path
from unittest import mock

from tests.aws import schema, terraform
from tests.infra.kubernetes import kubeflow_manifests

from mlops_platform import recording, settings, targets
from mlops_platform.components.kubernetes import kubeflow
from mlops_platform.components.kubernetes.monitoring import project

_GITHUB = {"repository": "github.com/acme/flights", "repositoryIds": "1296269/501"}
_BUDGET = {"budget": "200", "budgetEmail": "ml@example.com"}
_ADMIN = {"clusterAdmins": "arn:aws-us-gov:iam::123456789012:role/ml/platform"}
# What runs on the cluster is no resource of AWS; who it is there is one.
_MANIFESTS = kubeflow.Manifests(kubeflow_manifests.objects(), Path("kubeflow.yaml"))
_FILES = project.ProjectFiles(prometheus={}, rules={}, alertmanager={}, dashboards={}, provisioning={})
# Values of configuration that an environment may be made from. Together they have each variant, each size, each way in
# which something is left out, and each part of AWS whose names differ.
CASES = {
    "small": {"size": "small"},
    "standard": {
        **_GITHUB, **_BUDGET, "size": "standard", "privateEndpoint": "true", "kubernetesVersion": "1.35",
    },
    "ha": {
        **_ADMIN, "size": "ha", "repository": "gitlab.com/acme/ml/flights", "apiNetworks": "203.0.113.0/24",
        "oidcProvider": "existing", "protect": "true", "region": "us-gov-west-1",
    },
    "lite": {"variant": "lite", **_GITHUB, **_BUDGET},
    "lite-gov": {"variant": "lite", **_GITHUB, "repositoryIds": "none", "region": "us-gov-west-1"},
    "lite-china": {"variant": "lite", "repository": "gitlab.com/acme/flights", "region": "cn-north-1"},
    "storage": {"variant": "storage", **_GITHUB},
    "registry": {"variant": "registry", **_GITHUB},
}  # fmt: skip


def build(chosen):
    """The program, with a small installation of Kubeflow, and a project that has monitoring."""
    with (
        mock.patch.object(kubeflow, "read", return_value=_MANIFESTS),
        mock.patch.object(project, "read", return_value=_FILES),
    ):
        return targets.build(chosen)


def configuration(record, configured, name):
    """A case as Terraform's JSON."""
    known = schema.load()
    chosen = configured(**CASES[name])
    outputs = terraform.references(known, chosen.aws.region)
    found = record(lambda: vars(build(chosen)), outputs=outputs)
    return terraform.configuration(known, found.resources)


def tokens():
    """Pulumi's names of all kinds of resource of AWS that occur in the cases."""
    found = set()
    for values in CASES.values():
        given = {"target": "aws", "account": "123456789012", "region": "eu-west-1", "project": "flights", **values}
        chosen = settings.load(given.get, stack="prod", directory=Path("/project/infra"))
        declared = recording.record(lambda chosen=chosen: build(chosen), stack="prod", outputs=recording.placeholders)
        found |= {resource.type for resource in declared if resource.type.startswith("aws:")}
    return found
