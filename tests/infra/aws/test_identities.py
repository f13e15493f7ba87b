import json

import pulumi
import pytest
from tests.infra.aws import graph

from mlops_platform.components.aws import account
from mlops_platform.components.aws.eks import ControlPlaneLogs, EksCluster
from mlops_platform.components.aws.identities import Identities, holders
from mlops_platform.components.aws.network import Network
from mlops_platform.components.aws.policies import store_rights
from mlops_platform.components.object_store import ObjectStore

KEY = "arn:aws:kms:eu-west-1:123456789012:key/made"
# Which of them the default configuration has, and under which accounts their pods run.
PODS = {
    "pipelines": ("kubeflow", {"pipeline-runner", "ml-pipeline", "ml-pipeline-ui"}),
    "tracking": ("flights-prod", {"tracking"}),
    "service": ("flights-prod-serving", {"service"}),
    "monitoring": ("flights-prod-monitoring", {"drift"}),
}


class Storage(ObjectStore):
    """Two buckets, as far as identities use them."""

    def __init__(self):
        super().__init__("mlops:aws:Storage", "object-store")
        self.data_bucket = pulumi.Output.from_input("flights-prod-data")
        self.artifact_bucket = pulumi.Output.from_input("flights-prod-artifacts")


@pytest.fixture
def identities(record, configured):
    def run(**values):
        def declare():
            found = account.connect(configured(**values))
            network = Network("network", account=found, key_arn=KEY)
            logs = ControlPlaneLogs("control-plane-logs", account=found, key_arn=KEY)
            cluster = EksCluster("cluster", account=found, network=network, key_arn=KEY, logs=logs)
            made = Identities("identities", account=found, cluster=cluster, storage=Storage(), key_arn=KEY)
            return made.role_arns

        region = values.get("region", "eu-west-1")
        return record(declare, outputs=lambda *args: graph.answers(*args, region=region))

    return run


def associated(recorded):
    """Namespace and service accounts, by the role that their pods take on."""
    found = {}
    for resource in recorded.all("PodIdentityAssociation"):
        namespace, accounts = found.setdefault(resource.inputs["roleArn"], (resource.inputs["namespace"], set()))
        assert namespace == resource.inputs["namespace"]
        accounts.add(resource.inputs["serviceAccount"])
    return found


def test_pods_have_the_role_of_their_consumer(identities):
    recorded = identities()
    assert associated(recorded) == {recorded.outputs[consumer]: pods for consumer, pods in PODS.items()}
    assert {r.inputs["clusterName"] for r in recorded.all("PodIdentityAssociation")} == {"flights-prod"}


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"tracking": "false"}, {"tracking"}),
        ({"serving": "false"}, {"service"}),
        ({"monitoring": "false"}, {"monitoring"}),
        ({"pipelines": "none"}, {"pipelines"}),
        ({"pipelinesHost": "https://kubeflow.example.com"}, {"pipelines"}),
    ],
)
def test_what_an_environment_does_not_have_has_no_identity(identities, values, missing):
    recorded = identities(**values)
    assert set(recorded.outputs) == set(PODS) - missing
    assert len(associated(recorded)) == len(PODS) - len(missing)


@pytest.mark.parametrize("consumer", PODS)
def test_a_role_has_its_consumers_rights_and_no_others(identities, consumer):
    recorded = identities()
    policies = [r for r in recorded.all("RolePolicy") if r.inputs["role"] == f"flights-prod-{consumer}"]
    (statements,) = (json.loads(policy.inputs["policy"])["Statement"] for policy in policies)
    data, artifacts = "arn:aws:s3:::flights-prod-data", "arn:aws:s3:::flights-prod-artifacts"
    assert statements == json.loads(json.dumps(store_rights(consumer, data, artifacts, KEY)))
    assert not [r for r in recorded.all("RolePolicyAttachment") if r.inputs["role"] == f"flights-prod-{consumer}"]


def test_only_the_prediction_log_and_no_data_is_within_the_services_reach(identities):
    policy = identities().find("RolePolicy", "service").inputs["policy"]
    assert "flights-prod-data" not in policy
    objects = {arn for arn in graph.arns(policy) if "/" in arn and ":s3:::" in arn and not arn.endswith("artifacts/*")}
    assert objects == {
        "arn:aws:s3:::flights-prod-artifacts/predictions/*",
        "arn:aws:s3:::flights-prod-artifacts/registry/*",
    }


@pytest.mark.parametrize("consumer", PODS)
def test_nobody_but_these_pods_of_this_cluster_takes_the_role_on(identities, consumer):
    trust = json.loads(identities().find("Role", consumer).inputs["assumeRolePolicy"])["Statement"]
    namespace, service_accounts = PODS[consumer]
    (statement,) = trust
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    condition = statement["Condition"]["StringEquals"]
    assert set(condition.pop("aws:RequestTag/kubernetes-service-account")) == service_accounts
    assert condition == {
        "aws:SourceAccount": "123456789012",
        "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-west-1:123456789012:cluster/flights-prod",
        "aws:RequestTag/kubernetes-namespace": namespace,
    }
    assert list(statement["Condition"]) == ["StringEquals"]


def test_a_pod_is_given_its_role_when_there_is_a_cluster_and_the_role_can_do_something(identities):
    recorded = identities()
    assert len(recorded.all("PodIdentityAssociation")) == 6
    for association in recorded.all("PodIdentityAssociation"):
        consumer = association.name.partition("-")[0]
        assert {("Cluster", "cluster"), ("RolePolicy", consumer)} <= graph.before(recorded, association)


def test_namespaces_of_long_names_are_those_of_the_platform(configured):
    settings = configured(project="p" * 40, stack="s" * 20)
    namespaces = {holder.namespace for holder in holders(settings).values()}
    assert len(namespaces) == 4
    assert max(map(len, namespaces)) <= 63


@pytest.mark.parametrize(("project", "stack"), [("p" * 40, "s" * 20), ("a", "b")])
def test_names_and_policies_stay_within_the_limits(identities, project, stack):
    recorded = identities(project=project, stack=stack)
    roles = recorded.all("Role")
    assert max(len(r.inputs["name"]) for r in roles) <= 64
    assert len({r.inputs["name"] for r in roles}) == len(roles)
    assert max(len(r.inputs["assumeRolePolicy"]) for r in roles) <= 2048
    assert max(len(r.inputs["policy"]) for r in recorded.all("RolePolicy")) <= 10240


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-northwest-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_arns_are_of_the_regions_partition(identities, region, partition):
    recorded = identities(region=region)
    found = {arn for r in recorded.resources for arn in graph.arns(r.inputs)} - {KEY}
    assert {arn.split(":")[1] for arn in found} == {partition}


def test_everything_carries_a_tag(identities):
    assert graph.untagged(identities()) == []
