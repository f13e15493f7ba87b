"""Whole environments on AWS: that their parts fit each other."""

import json

import pytest
import yaml
from tests.infra.aws import graph

from mlops_platform import recording
from mlops_platform.components.kubernetes.cluster import COMPONENT_LABEL

SIZES = ("small", "standard", "ha")
VARIANTS = ("lite", "storage", "registry")
# Kubeflow's accounts are in its own manifests, whose stand-in here has only some of its pods.
KUBEFLOW = {("kubeflow", "pipeline-runner"), ("kubeflow", "ml-pipeline"), ("kubeflow", "ml-pipeline-ui")}


def objects(recorded):
    return [r.inputs for r in recorded.resources if r.type.startswith("kubernetes:") and r.inputs.get("metadata")]


def pods(recorded):
    """Each pod template of ours, with the namespace that it is in."""
    for found in objects(recorded):
        spec = found.get("spec") or {}
        spec = spec.get("jobTemplate", {}).get("spec") or spec
        if "containers" in spec.get("template", {}).get("spec", {}):
            yield found["metadata"].get("namespace"), spec["template"]["spec"]


def variables(pod):
    return {
        item["name"]: item for container in (*pod.get("initContainers", ()), *pod["containers"])
        for item in container.get("env", ())
    }  # fmt: skip


@pytest.fixture(params=SIZES)
def platform(request, whole):
    return whole(size=request.param)


def test_no_pod_has_a_key_of_the_store(platform):
    found = [(namespace, variables(pod)) for namespace, pod in pods(platform)]
    assert any("AWS_DEFAULT_REGION" in given for _, given in found)
    for namespace, given in found:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OBJECTSTORECONFIG_ACCESSKEY"):
            assert given.get(name, {}).get("value", "") == "", (namespace, name)
            assert "valueFrom" not in given.get(name, {}), (namespace, name)
    text = json.dumps([o for o in objects(platform) if o["kind"] == "Secret"])
    assert "AWS_ACCESS_KEY_ID" not in text
    assert "mlpipeline-minio-artifact" not in text


def test_each_pod_that_uses_the_store_has_an_identity_and_no_other_has(platform):
    users = {
        (namespace, pod["serviceAccountName"])
        for namespace, pod in pods(platform)
        if "AWS_DEFAULT_REGION" in variables(pod) and namespace != "kubeflow"
    }
    associated = {(r.inputs["namespace"], r.inputs["serviceAccount"]) for r in platform.all("PodIdentityAssociation")}
    assert associated == users | KUBEFLOW
    assert len(users) == 3


def test_they_may_ask_the_agent_for_it(platform):
    allowed = {
        policy["spec"]["podSelector"]["matchLabels"][COMPONENT_LABEL]
        for policy in objects(platform)
        if policy["kind"] == "NetworkPolicy"
        for rule in policy["spec"].get("egress", ())
        for peer in rule.get("to", ())
        if peer.get("ipBlock", {}).get("cidr") == "169.254.170.23/32" and {p["port"] for p in rule["ports"]} == {80}
    }
    assert allowed == {"tracking", "service", "drift"}


def test_pods_come_after_nodes_and_identities(platform):
    provider = next(r for r in platform.resources if r.type == "pulumi:providers:kubernetes" and r.name == "cluster")
    waited = graph.before(platform, provider)
    kinds = {kind for kind, _ in waited}
    assert {"PodIdentityAssociation", "NodePool", "Cluster", "RolePolicy"} <= kinds
    assert len([kind for kind, _ in waited if kind == "PodIdentityAssociation"]) == len(
        platform.all("PodIdentityAssociation")
    )


def test_whoever_may_do_something_on_the_cluster_may_until_all_on_it_is_gone(whole):
    recorded = whole(clusterAdmins=ADMINS[0])
    entries = {(kind, r.name) for kind in ("AccessEntry", "AccessPolicyAssociation") for r in recorded.all(kind)}
    assert len(entries) > 6
    providers = [r for r in recorded.resources if r.type == "pulumi:providers:kubernetes"]
    assert {provider.name for provider in providers} == {"cluster-defaults", "cluster"}
    for provider in providers:  # what they make comes after them, and goes before
        assert entries <= graph.before(recorded, provider)


def test_what_the_cluster_leaves_is_cleared_after_it_and_before_the_network(platform):
    waited = graph.before(platform, platform.find("Cluster"))
    assert "ClusterRemains" in {kind for kind, _ in waited}
    assert "Vpc" in {kind for kind, _ in graph.before(platform, platform.find("ClusterRemains"))}


def test_ci_is_the_group_that_may_deploy_submit_and_read(platform):
    entries = {r.name: r.inputs for r in platform.all("AccessEntry")}
    (group,) = entries["ci"]["kubernetesGroups"]
    bound = [
        o for o in objects(platform) if o["kind"] == "RoleBinding" and o["metadata"]["name"].startswith("seedbed-ci")
    ]
    assert {o["metadata"]["name"] for o in bound} == {"seedbed-ci-deploy", "seedbed-ci-submit", "seedbed-ci-read"}
    assert {s["name"] for o in bound for s in o["subjects"]} == {group}
    assert {s["kind"] for o in bound for s in o["subjects"]} == {"Group"}
    assert not [r for r in platform.all("AccessPolicyAssociation") if r.name == "ci"]
    config = json.loads(platform.outputs["kubeconfig"])
    assert config["contexts"][0]["context"]["namespace"] == "flights-prod-serving"
    assert "token" not in json.dumps(config["users"]).replace("get-token", "")


def test_the_api_server_is_named_in_policies(platform):
    text = json.dumps([o["spec"] for o in objects(platform) if o["kind"] == "NetworkPolicy"])
    assert "konnectivity" in text
    for subnet in platform.all("Subnet"):
        if subnet.name.startswith("control"):
            assert subnet.inputs["cidrBlock"] in text


def test_the_contract(platform):
    found = {name: value for name, value in platform.outputs.items() if value != ""}
    assert set(found) == {
        "s3_region", "data_bucket", "artifact_bucket", "registry", "mlflow_tracking_uri", "kfp_host", "pipeline_volume",
        "namespace", "kubeconfig", "ci_role", "preview_role", "apply_role", "prometheus_url", "grafana_url",
    }  # fmt: skip
    assert found["data_bucket"] == "flights-prod-data-123456789012"
    assert found["registry"].startswith("123456789012.dkr.ecr.eu-west-1.amazonaws.com/")


def test_everything_that_can_carries_a_tag_of_its_component(platform):
    assert graph.untagged(platform) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_smaller_variant_has_nothing_of_a_cluster(whole, variant):
    recorded = whole(variant=variant)
    packages = {r.type.partition(":")[0] for r in recorded.resources if r.custom}
    assert "kubernetes" not in packages
    assert not {"Cluster", "Vpc", "PodIdentityAssociation"} & {r.type.rpartition(":")[2] for r in recorded.resources}
    assert bool(recorded.all("Repository")) == (variant != "storage")
    assert bool(recorded.outputs["data_bucket"]) == (variant != "registry")
    assert recorded.outputs["kubeconfig"] == ""


def test_without_a_repository_of_code_nobody_else_gets_in(whole):
    recorded = whole(repository="", repositoryIds="")
    assert not recorded.all("OpenIdConnectProvider")
    assert [r.name for r in recorded.all("AccessEntry")] == ["node"]
    assert recorded.outputs["ci_role"] == ""


ADMINS = ("arn:aws:iam::123456789012:role/ml/platform", "arn:aws:iam::210987654321:user/ml/platform")


def administrators(recorded):
    """Pulumi's name of each access entry that gives everything, and whom it is for."""
    policies = {
        r.name for r in recorded.all("AccessPolicyAssociation")
        if r.inputs["policyArn"].endswith(":cluster-access-policy/AmazonEKSClusterAdminPolicy")
        and r.inputs["accessScope"] == {"type": "cluster"}
    }  # fmt: skip
    return {r.name: r.inputs["principalArn"] for r in recorded.all("AccessEntry") if r.name in policies}


def test_those_who_are_named_administer_the_cluster_and_no_entry_depends_on_who_else_is(whole):
    nobody = {"repository": "", "repositoryIds": ""}
    both = administrators(whole(clusterAdmins=", ".join(ADMINS), **nobody))
    assert sorted(both.values()) == sorted(ADMINS)
    one = administrators(whole(clusterAdmins=ADMINS[1], **nobody))
    assert one.items() < both.items()
    assert "apply" in administrators(whole(clusterAdmins=ADMINS[0]))


def test_with_a_certificate_the_service_and_grafana_are_published_and_speak_tls_alone(whole):
    certificate = "arn:aws:acm:eu-west-1:123456789012:certificate/8f3b6c1e-1d2a-4c55-9d3e-0a1b2c3d4e5f"
    recorded = whole(domain="ml.example.com", certificate=certificate)
    assert recorded.find("IngressClassParams").inputs["spec"]["certificateARNs"] == [certificate]
    published = {o["spec"]["rules"][0]["host"]: o["metadata"] for o in objects(recorded) if o["kind"] == "Ingress"}
    assert set(published) == {"service.ml.example.com", "grafana.ml.example.com"}
    asked = {host: m["annotations"]["alb.ingress.kubernetes.io/healthcheck-path"] for host, m in published.items()}
    assert asked == {"service.ml.example.com": "/", "grafana.ml.example.com": "/api/health"}
    policies = {m["annotations"]["alb.ingress.kubernetes.io/ssl-policy"] for m in published.values()}
    assert policies == {"ELBSecurityPolicy-TLS13-1-2-2021-06"}
    targets = {m["annotations"]["alb.ingress.kubernetes.io/target-type"] for m in published.values()}
    assert targets == {"ip"}, "Services have no port of the nodes' own"
    assert recorded.outputs["grafana_url"] == "https://grafana.ml.example.com"


def test_a_controller_of_ones_own_publishes_what_it_can_lock(whole):
    own = {"domain": "ml.example.com", "ingressClass": "nginx"}
    with_issuer = whole(**own, clusterIssuer="letsencrypt")
    assert not with_issuer.all("IngressClassParams")
    hosts = {o["spec"]["rules"][0]["host"] for o in objects(with_issuer) if o["kind"] == "Ingress"}
    assert hosts == {"service.ml.example.com", "grafana.ml.example.com"}
    (only,) = [o for o in objects(whole(**own)) if o["kind"] == "Ingress"]
    assert only["spec"]["rules"][0]["host"] == "service.ml.example.com"


def test_a_node_with_a_run_on_it_is_not_taken_away_to_save(whole):
    """Auto Mode empties nodes that little runs on: the pods of runs say themselves that they must stay."""
    recorded = whole()
    assert recorded.find("NodePool").inputs["spec"]["disruption"]["consolidationPolicy"] == "WhenEmptyOrUnderutilized"
    (config,) = [o for o in objects(recorded) if o["metadata"]["name"] == "workflow-controller-configmap"]
    defaults = yaml.safe_load(config["data"]["workflowDefaults"])
    assert defaults["spec"]["podMetadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"


def test_what_holds_data_is_protected_in_a_protected_environment_only(whole):
    for protect in ("true", "false"):
        protected = {r.type.rpartition(":")[2] for r in whole(protect=protect).resources if r.protect and r.custom}
        wanted = {"Bucket", "Repository", "Key", "Cluster"} if protect == "true" else set()
        assert wanted <= protected
        assert bool(protected) == bool(wanted)


def test_the_same_settings_give_the_same_inputs(whole):
    first, second = (graph.inputs(whole()) for _ in range(2))
    assert first == second


def test_a_recording_from_outside_has_the_same_resources(whole, configured):
    from mlops_platform import targets

    settings = configured(variant="lite")
    found = recording.record(lambda: targets.build(settings), stack="prod", outputs=recording.placeholders)
    assert {"aws:s3/bucket:Bucket", "aws:ecr/repository:Repository", "aws:kms/key:Key"} <= {r.type for r in found}
