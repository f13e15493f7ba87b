import kubernetes_validate
import pulumi_kubernetes as kubernetes
import pytest
from tests.infra.aws import graph

from mlops_platform.components.aws import account
from mlops_platform.components.aws.cluster_defaults import ClusterDefaults
from mlops_platform.components.aws.eks import ControlPlaneLogs, EksCluster
from mlops_platform.components.aws.network import Network
from mlops_platform.components.kubernetes.cluster import Cluster

PUBLISHED = {
    "domain": "ml.example.com",
    "certificate": "arn:aws:acm:eu-west-1:123456789012:certificate/8f3b6c1e-1d2a-4c55-9d3e-0a1b2c3d4e5f",
}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/made"
TAGS = {"seedbed:environment": "flights.prod", "seedbed:component": "cluster"}


@pytest.fixture
def defaults(record, configured):
    def run(**values):
        def declare():
            settings = configured(**values)
            found = account.connect(settings)
            network = Network("network", account=found, key_arn=KEY)
            logs = ControlPlaneLogs("control-plane-logs", account=found, key_arn=KEY)
            eks = EksCluster("cluster", account=found, network=network, key_arn=KEY, logs=logs)
            cluster = Cluster(
                provider=kubernetes.Provider("cluster-defaults", kubeconfig=eks.kubeconfig), settings=settings
            )
            ClusterDefaults("cluster-defaults", account=found, cluster=cluster, eks=eks, network=network)

        return record(declare, outputs=graph.answers)

    return run


def test_nodes_are_in_private_subnets_and_carry_the_environments_tags(defaults):
    recorded = defaults()
    found = recorded.find("NodeClass").inputs
    assert found["apiVersion"] == "eks.amazonaws.com/v1"
    spec = found["spec"]
    assert spec["subnetSelectorTerms"] == [{"id": f"Subnet-private-euw1-az{zone}-id"} for zone in (1, 2, 3)]
    assert spec["securityGroupSelectorTerms"] == [{"id": "sg-of-the-cluster"}]
    assert spec["role"] == recorded.find("Role", "node").inputs["name"]
    assert spec["tags"] == TAGS


def test_network_policies_are_kept_to_before_there_is_a_node(defaults):
    recorded = defaults()
    switch = recorded.find("ConfigMap")
    assert (switch.inputs["metadata"]["namespace"], switch.inputs["metadata"]["name"]) == (
        "kube-system",
        "amazon-vpc-cni",
    )
    assert switch.inputs["data"] == {"enable-network-policy-controller": "true"}
    assert recorded.find("NodeClass").inputs["spec"]["networkPolicy"] == "DefaultAllow"
    assert ("ConfigMap", "network-policies") in graph.before(recorded, recorded.find("NodePool"))


@pytest.mark.parametrize("size", ["small", "standard", "ha"])
def test_nodes_wait_for_their_role_and_a_way_out_and_go_before_them(defaults, size):
    recorded = defaults(size=size)
    there = graph.before(recorded, recorded.find("NodePool"))
    nats = {("NatGateway", r.name) for r in recorded.all("NatGateway")}
    assert nats <= there
    assert {
        ("AccessPolicyAssociation", "node"),
        ("RolePolicyAttachment", "node-AmazonEKSWorkerNodeMinimalPolicy"),
        ("Cluster", "cluster"),
    } <= there
    assert {("Route", f"private-euw1-az{zone}") for zone in (1, 2, 3)} <= there


def test_the_pool_has_an_end_that_grows_with_the_size(defaults):
    specs = [defaults(size=size).find("NodePool").inputs["spec"] for size in ("small", "standard", "ha")]
    limits = [int(spec["limits"]["cpu"]) for spec in specs]
    assert limits == sorted(set(limits))
    assert specs[0]["template"]["spec"]["nodeClassRef"] == {
        "group": "eks.amazonaws.com",
        "kind": "NodeClass",
        "name": "seedbed",
    }


def test_volumes_are_encrypted_tagged_and_go_with_their_claims(defaults):
    found = defaults().find("StorageClass").inputs
    assert found["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert found["provisioner"] == "ebs.csi.eks.amazonaws.com"
    assert (found["reclaimPolicy"], found["allowVolumeExpansion"]) == ("Delete", True)
    parameters = dict(found["parameters"])
    specified = [parameters.pop(key) for key in list(parameters) if key.startswith("tagSpecification_")]
    assert dict(tag.split("=", 1) for tag in specified) == TAGS
    assert parameters == {"type": "gp3", "encrypted": "true"}


def test_a_domain_brings_one_load_balancer_for_all_sites(defaults):
    recorded = defaults(**PUBLISHED)
    found = recorded.find("IngressClassParams").inputs
    assert {tag["key"]: tag["value"] for tag in found["spec"].pop("tags")} == TAGS
    assert found["spec"] == {
        "scheme": "internet-facing", "group": {"name": "flights-prod"},
        "certificateARNs": [PUBLISHED["certificate"]],
    }  # fmt: skip
    ingress = recorded.find("IngressClass").inputs
    assert ingress["metadata"]["annotations"] == {"ingressclass.kubernetes.io/is-default-class": "true"}
    assert ingress["spec"] == {
        "controller": "eks.amazonaws.com/alb",
        "parameters": {
            "apiGroup": "eks.amazonaws.com",
            "kind": "IngressClassParams",
            "name": found["metadata"]["name"],
        },
    }


@pytest.mark.parametrize("values", [{}, {"domain": "ml.example.com", "ingressClass": "nginx"}])
def test_without_a_site_or_with_a_class_of_ones_own_there_is_none(defaults, values):
    recorded = defaults(**values)
    assert recorded.all("IngressClass") == recorded.all("IngressClassParams") == []


def test_the_autoscaler_has_its_metrics_once_there_are_nodes(defaults):
    recorded = defaults()
    addon = recorded.find("Addon")
    assert addon.inputs["addonName"] == "metrics-server"
    assert ("NodePool", "NodePool-seedbed") in graph.before(recorded, addon)


def test_every_object_carries_the_environments_label(defaults):
    recorded = defaults(**PUBLISHED)
    objects = [r for r in recorded.resources if r.type.startswith("kubernetes:")]
    assert len(objects) == 6
    labels = [r.inputs["metadata"]["labels"]["seedbed/environment"] for r in objects]
    assert set(labels) == {"flights.prod"}
    assert graph.untagged(recorded) == []


def test_kubernetes_knows_what_is_declared(defaults):
    recorded = defaults(**PUBLISHED)
    own = [r.inputs for kind in ("ConfigMap", "StorageClass", "IngressClass") for r in recorded.all(kind)]
    assert len(own) == 3
    for manifest in own:
        kubernetes_validate.validate(manifest, kubernetes_validate.utils.all_versions()[-1], strict=True)


def test_the_same_settings_declare_the_same(defaults):
    assert graph.inputs(defaults(size="ha")) == graph.inputs(defaults(size="ha"))
