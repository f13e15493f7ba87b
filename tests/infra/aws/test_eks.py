import json
import re

import pulumi_aws as aws
import pytest
from tests.infra.aws import graph

from mlops_platform.components.aws import account
from mlops_platform.components.aws.eks import SERVICE_CIDR, ClusterAccess, ControlPlaneLogs, EksCluster
from mlops_platform.components.aws.network import Network

KEY = "arn:aws:kms:eu-west-1:123456789012:key/made"
CI_ROLE = "arn:aws:iam::123456789012:role/flights-prod-ci-apply"


@pytest.fixture
def eks(record, configured):
    def run(*, access=(), after=lambda _: (), **values):
        made = {}

        def declare():
            found = account.connect(configured(**values))
            network = Network("network", account=found, key_arn=KEY)
            logs = ControlPlaneLogs("control-plane-logs", account=found, key_arn=KEY)
            cluster = EksCluster(
                "cluster", account=found, network=network, key_arn=KEY, logs=logs, access=access, after=after(network)
            )
            made["cluster"] = cluster
            return {
                "kubeconfig": cluster.kubeconfig,
                "authority": cluster.authority,
                "endpoint": cluster.endpoint,
                "name": cluster.name,
                "security_group": cluster.security_group,
                "node_role": cluster.node_role,
            }

        region = values.get("region", "eu-west-1")
        recorded = record(declare, outputs=lambda *args: graph.answers(*args, region=region))
        recorded.cluster = made["cluster"]
        return recorded

    return run


def attached(recorded, role):
    attachments = [r for r in recorded.all("RolePolicyAttachment") if r.name.startswith(f"{role}-")]
    return {r.inputs["policyArn"].rpartition("/")[2] for r in attached_to(attachments, recorded, role)}


def attached_to(attachments, recorded, role):
    name = recorded.find("Role", role).inputs["name"]
    return [r for r in attachments if r.inputs["role"] == name]


def test_auto_mode_is_on_in_all_three_parts_and_has_no_pools_of_its_own(eks):
    found = eks().find("Cluster").inputs
    assert found["computeConfig"] == {"enabled": True, "nodePools": []}  # a role of nodes would ask for pools
    assert found["storageConfig"]["blockStorage"] == {"enabled": True}
    assert found["kubernetesNetworkConfig"]["elasticLoadBalancing"] == {"enabled": True}
    assert found["bootstrapSelfManagedAddons"] is False


def test_the_control_plane_is_in_subnets_where_nothing_else_is(eks):
    recorded = eks()
    found = recorded.find("Cluster").inputs["vpcConfig"]
    assert found["subnetIds"] == [f"Subnet-control-euw1-az{zone}-id" for zone in (1, 2, 3)]
    # In whatever order they were declared.
    controls = sorted(r.inputs["cidrBlock"] for r in recorded.all("Subnet") if r.name.startswith("control-"))
    assert recorded.cluster.api_servers == (*controls, "172.20.0.1/32")
    assert recorded.find("Cluster").inputs["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == SERVICE_CIDR


@pytest.mark.parametrize(
    ("values", "public", "cidrs"),
    [
        ({}, True, ["0.0.0.0/0"]),
        ({"apiNetworks": "203.0.113.0/24,198.51.100.7/32"}, True, ["203.0.113.0/24", "198.51.100.7/32"]),
        ({"privateEndpoint": "true"}, False, None),
    ],
)
def test_the_api_server_is_reached_from_where_the_settings_say(eks, values, public, cidrs):
    found = eks(**values).find("Cluster").inputs["vpcConfig"]
    assert found["endpointPrivateAccess"] is True  # nodes never leave the network for it
    assert (found["endpointPublicAccess"], found.get("publicAccessCidrs")) == (public, cidrs)


def test_secrets_are_encrypted_and_everything_is_logged(eks):
    recorded = eks()
    found = recorded.find("Cluster").inputs
    assert found["encryptionConfig"] == {"provider": {"keyArn": KEY}, "resources": ["secrets"]}
    assert set(found["enabledClusterLogTypes"]) == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    group = recorded.find("LogGroup", "control-plane").inputs
    assert group["name"] == "/aws/eks/flights-prod/cluster"
    assert (group["kmsKeyId"], group["retentionInDays"]) == (KEY, 365)


@pytest.mark.parametrize("protect", [False, True])
def test_a_protected_environments_cluster_is_deleted_neither_by_the_engine_nor_by_eks(eks, protect):
    found = eks(protect=str(protect).lower()).find("Cluster")
    assert (found.protect, found.inputs["deletionProtection"]) == (protect, protect)


@pytest.mark.parametrize(("given", "wanted"), [("", None), ("1.35", "1.35")])
def test_the_version_is_the_settings_and_never_one_that_costs_extra(eks, given, wanted):
    found = eks(kubernetesVersion=given).find("Cluster").inputs
    assert found.get("version") == wanted
    assert found["upgradePolicy"] == {"supportType": "STANDARD"}


def test_the_cluster_goes_before_its_rights_its_logs_and_its_network(eks):
    recorded = eks()
    there = graph.before(recorded, recorded.find("Cluster"))
    assert {("RolePolicyAttachment", f"cluster-{policy}") for policy in attached(recorded, "cluster")} <= there
    assert {("RolePolicy", "cluster"), ("LogGroup", "control-plane"), ("NatGateway", "nat-euw1-az1")} <= there
    ways = {("Route", f"private-euw1-az{zone}") for zone in (1, 2, 3)}
    assert ways <= there


def test_the_cluster_goes_before_what_it_is_told_to(eks):
    def remains(network):
        return [aws.ec2.SecurityGroup("remains", vpc_id=network.vpc_id)]

    recorded = eks(after=remains)
    assert ("SecurityGroup", "remains") in graph.before(recorded, recorded.find("Cluster"))


def test_the_roles_have_eks_own_policies_and_nobody_else_takes_them_on(eks):
    recorded = eks()
    assert attached(recorded, "cluster") == {
        "AmazonEKSBlockStoragePolicy",
        "AmazonEKSClusterPolicy",
        "AmazonEKSComputePolicy",
        "AmazonEKSLoadBalancingPolicy",
        "AmazonEKSNetworkingPolicy",
    }
    assert attached(recorded, "node") == {"AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy"}
    trusts = {
        name: json.loads(recorded.find("Role", name).inputs["assumeRolePolicy"])["Statement"]
        for name in ("cluster", "node")
    }
    assert trusts == {
        "cluster": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
        "node": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": ["sts:AssumeRole"]}],
    }


def test_the_cluster_may_tag_what_it_makes_if_it_carries_its_name(eks):
    recorded = eks()
    role = recorded.find("RolePolicy", "cluster")
    assert role.inputs["role"] == recorded.find("Role", "cluster").inputs["name"]
    statements = json.loads(role.inputs["policy"])["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    making = [s for s in statements if any(":Create" in action or ":Run" in action for action in s["Action"])]
    for statement in making:
        assert statement["Condition"]["StringEquals"] == {"aws:RequestTag/eks:eks-cluster-name": "flights-prod"}
        assert statement["Resource"].startswith(
            ("arn:aws:ec2:eu-west-1:1234", "arn:aws:elasticloadbalancing:eu-west-1:1234")
        )
    (rest,) = [s for s in statements if s not in making]
    assert rest["Resource"] == KEY
    made = {action for statement in making for action in statement["Action"]}
    assert {"ec2:RunInstances", "ec2:CreateVolume", "elasticloadbalancing:CreateLoadBalancer"} <= made


def test_nodes_may_join(eks):
    recorded = eks()
    entry, policy = recorded.find("AccessEntry", "node"), recorded.find("AccessPolicyAssociation", "node")
    role = recorded.find("Role", "node")
    assert recorded.outputs["node_role"] == role.inputs["name"]
    assert entry.inputs["type"] == "EC2"
    assert (
        entry.inputs["principalArn"] == policy.inputs["principalArn"] == "arn:aws:made:eu-west-1:123456789012:Role/node"
    )
    assert policy.inputs["policyArn"] == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAutoNodePolicy"
    assert ("AccessEntry", "node") in graph.before(recorded, policy)
    names = {resource._name for resource in recorded.cluster.ready}
    assert {"cluster", "node", "node-AmazonEKSWorkerNodeMinimalPolicy", "private-euw1-az1"} <= names


def test_who_makes_the_cluster_may_do_everything_on_it_and_nobody_is_named_in_the_stack(eks):
    recorded = eks()
    assert recorded.find("Cluster").inputs["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": True,
    }
    assert [entry.name for entry in recorded.all("AccessEntry")] == ["node"]


def test_others_get_what_they_are_given(eks):
    recorded = eks(
        access=[
            ClusterAccess(name="apply", principal_arn=CI_ROLE, policy="AmazonEKSClusterAdminPolicy"),
            ClusterAccess(
                name="preview",
                principal_arn=f"{CI_ROLE}-2",
                policy="AmazonEKSViewPolicy",
                namespaces=("flights-prod", "kubeflow"),
            ),
            ClusterAccess(name="ci", principal_arn=f"{CI_ROLE}-3", groups=("seedbed:ci",)),
        ]
    )
    entries = {r.name: r.inputs for r in recorded.all("AccessEntry") if r.name != "node"}
    assert {name: entry["kubernetesGroups"] for name, entry in entries.items()} == {
        "apply": [],
        "preview": [],
        "ci": ["seedbed:ci"],
    }
    assert {entry["type"] for entry in entries.values()} == {"STANDARD"}
    assert entries["apply"]["principalArn"] == CI_ROLE
    policies = {r.name: r for r in recorded.all("AccessPolicyAssociation") if r.name != "node"}
    assert {name: found.inputs["accessScope"] for name, found in policies.items()} == {
        "apply": {"type": "cluster"},
        "preview": {"type": "namespace", "namespaces": ["flights-prod", "kubeflow"]},
    }
    for name, found in policies.items():
        assert {("AccessEntry", name), ("Cluster", "cluster")} <= graph.before(recorded, found)


def test_the_kubeconfig_has_no_secret_and_takes_the_aws_clis_word(eks):
    recorded = eks()
    found = json.loads(recorded.outputs["kubeconfig"])
    (cluster,), (user,), (context,) = found["clusters"], found["users"], found["contexts"]
    assert cluster["cluster"] == {
        "server": recorded.outputs["endpoint"],
        "certificate-authority-data": "LS0tUEVNLS0t",
    }
    assert list(user["user"]) == ["exec"]
    login = user["user"]["exec"]
    assert login["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    assert [login["command"], *login["args"]] == [
        "aws", "eks", "get-token", "--cluster-name", "flights-prod", "--region", "eu-west-1", "--output", "json",
    ]  # fmt: skip
    assert "docs.aws.amazon.com" in login["installHint"]
    assert found["current-context"] == context["name"] == "flights-prod"
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert recorded.outputs["authority"] == "---PEM---"
    assert recorded.outputs["security_group"] == "sg-of-the-cluster"


@pytest.mark.parametrize(("project", "stack"), [("p" * 40, "s" * 20), ("a", "b"), ("flight-delays", "demo-1")])
def test_names_stay_within_the_limits(eks, project, stack):
    recorded = eks(project=project, stack=stack)
    name = recorded.find("Cluster").inputs["name"]
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert recorded.cluster.cluster_name == recorded.outputs["name"] == name
    assert recorded.cluster.arn == f"arn:aws:eks:eu-west-1:123456789012:cluster/{name}"
    assert max(len(r.inputs["name"]) for r in recorded.all("Role")) <= 64
    assert max(len(r.inputs["assumeRolePolicy"]) for r in recorded.all("Role")) <= 2048
    assert max(len(r.inputs["policy"]) for r in recorded.all("RolePolicy")) <= 10240


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-northwest-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
)
def test_arns_are_of_the_regions_partition(eks, region, partition):
    recorded = eks(region=region, access=[ClusterAccess(name="x", principal_arn="x", policy="AmazonEKSViewPolicy")])
    found = {arn for r in recorded.resources for arn in graph.arns(r.inputs)} - {KEY}
    assert len(found) > 12
    assert {arn.split(":")[1] for arn in found} == {partition}


def test_everything_carries_a_tag(eks):
    recorded = eks(access=[ClusterAccess(name="apply", principal_arn=CI_ROLE, policy="AmazonEKSViewPolicy")])
    assert graph.untagged(recorded) == []


def test_the_same_settings_declare_the_same(eks):
    assert graph.inputs(eks()) == graph.inputs(eks())
