import base64
import re
from pathlib import Path

import pulumi
import pytest
import yaml
from tests.infra.kubernetes import can_i

TOKEN = "eyJhbGciOiJSUzI1NiJ9.of-the-ci-account"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CLUSTERS_OWN = "-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----\n"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def access(on_cluster, monkeypatch):
    def run(*, issued=True, authority=AUTHORITY, server_name="", **values):
        def declare(cluster):
            import pulumi_kubernetes as kubernetes

            from mlops_platform.components.kubernetes.access import Access
            from mlops_platform.components.kubernetes.kubeconfig import ApiServer
            from mlops_platform.components.kubernetes.namespaces import Namespaces

            # What the token controller puts into the secret, in the place of the API server that isn't there.
            data = {"token": encoded(TOKEN), "ca.crt": encoded(CLUSTERS_OWN)} if issued else None
            monkeypatch.setattr(kubernetes.core.v1.Secret, "data", property(lambda _: pulumi.Output.from_input(data)))
            namespaces = Namespaces("namespaces", cluster=cluster)
            made = Access(
                "access",
                cluster=cluster,
                namespaces=namespaces,
                kubeflow="kubeflow" if cluster.options.pipelines == "install" else None,
            )
            kubeconfig = made.kubeconfig(ApiServer("https://api.example.com:6443", authority, server_name))
            return {"kubeconfig": kubeconfig, "secret": pulumi.Output.from_input(kubeconfig.is_secret())}

        return on_cluster(declare, **values)

    return run


@pytest.fixture
def objects(access):
    return access().objects


@pytest.fixture
def prometheus(on_cluster):
    def declare(cluster):
        from mlops_platform.components.kubernetes.monitoring.project import ProjectFiles
        from mlops_platform.components.kubernetes.monitoring.prometheus import Prometheus
        from mlops_platform.components.kubernetes.namespaces import Namespaces

        files = ProjectFiles(prometheus={}, rules={}, alertmanager={}, dashboards={}, provisioning={})
        namespaces = Namespaces("namespaces", cluster=cluster)
        Prometheus("prometheus", cluster=cluster, namespaces=namespaces, files=files, monitors=())

    return on_cluster(declare).objects


def test_each_account_may_do_exactly_what_its_row_says(objects, prometheus):
    both = [*objects, *prometheus]
    assert [str(row) for row in can_i.ROWS if can_i.can_i(both, row) is not row.allowed] == []


def test_no_right_reaches_beyond_the_namespaces_of_the_environment(objects):
    assert not [o for o in objects if o["kind"] in {"ClusterRole", "ClusterRoleBinding"}]
    roles = [o for o in objects if o["kind"] == "Role"]
    assert {o["metadata"]["namespace"] for o in roles} == {
        "flights-prod", "flights-prod-serving", "kubeflow",
    }  # fmt: skip
    assert not [rule for role in roles for rule in role["rules"] if "*" in {*rule["verbs"], *rule["resources"]}]


def test_what_is_granted_in_kubeflow_can_be_found_by_the_environment_s_label(objects):
    ours = [o for o in objects if o["metadata"].get("namespace") == "kubeflow"]
    assert {o["kind"] for o in ours} == {"Role", "RoleBinding"}
    assert {o["metadata"]["labels"]["seedbed/environment"] for o in ours} == {"flights.prod"}


def test_no_token_is_mounted_for_any_account(objects):
    accounts = [o for o in objects if o["kind"] == "ServiceAccount"]
    assert accounts
    assert all(o["automountServiceAccountToken"] is False for o in accounts)


def test_the_rights_follow_the_choices(access):
    recorded = access(serving="false", pipelines="none", monitoring="false", tracking="false")
    assert not recorded.all("Role")
    assert not recorded.all("RoleBinding")
    without = [row for row in can_i.ROWS if can_i.can_i(recorded.objects, row)]
    assert not without


def test_ci_gets_a_kubeconfig_of_its_own_account(access):
    recorded = access()
    secret = recorded.find("Secret", "ci-token")
    assert secret["type"] == "kubernetes.io/service-account-token"
    assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": "ci"}
    assert "data" not in secret
    assert recorded.outputs["secret"] is True
    assert not re.search(r"\s", recorded.outputs["kubeconfig"]), "GitLab masks nothing else"
    config = yaml.safe_load(recorded.outputs["kubeconfig"])
    assert config == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "flights-prod",
        "clusters": [
            {
                "name": "flights-prod",
                "cluster": {
                    "server": "https://api.example.com:6443",
                    "certificate-authority-data": encoded(AUTHORITY),
                },
            }
        ],
        "users": [{"name": "flights-prod", "user": {"token": TOKEN}}],
        "contexts": [
            {
                "name": "flights-prod",
                "context": {
                    "cluster": "flights-prod", "user": "flights-prod", "namespace": "flights-prod-serving",
                },
            }
        ],
    }  # fmt: skip


def test_the_token_is_in_no_input_of_any_resource(access):
    recorded = access()
    inputs = str([resource.inputs for resource in recorded.resources])
    assert TOKEN not in inputs
    assert encoded(TOKEN) not in inputs


def test_a_server_whose_certificate_has_another_name_stays_verified(access):
    config = yaml.safe_load(access(server_name="kubernetes").outputs["kubeconfig"])
    assert config["clusters"][0]["cluster"]["tls-server-name"] == "kubernetes"


def test_a_public_certificate_needs_no_authority(access):
    config = yaml.safe_load(access(authority="").outputs["kubeconfig"])
    assert config["clusters"][0]["cluster"] == {"server": "https://api.example.com:6443"}


def test_ci_verifies_the_server_even_where_the_person_does_not(access):
    config = yaml.safe_load(access(authority=None).outputs["kubeconfig"])
    assert config["clusters"][0]["cluster"] == {
        "server": "https://api.example.com:6443", "certificate-authority-data": encoded(CLUSTERS_OWN),
    }  # fmt: skip


def test_without_a_token_there_is_no_kubeconfig_that_looks_like_one(access):
    assert access(issued=False).outputs["kubeconfig"] == ""


@pytest.mark.parametrize(("variable", "verbs"), [("KFP_ENDPOINT", "get create"), ("MLFLOW_TRACKING_URI", "get")])
def test_what_the_page_has_ci_reach_it_may_reach(access, variable, verbs):
    recorded = access()
    page = (Path(__file__).parents[3] / "docs/access-on-a-cluster.md").read_text()
    (found,) = re.finditer(rf"^{variable}=http://(.+)\.(.+)\.svc:(\d+)$", page, re.MULTILINE)
    namespace = found[2].replace("PROJECT-ENVIRONMENT", "flights-prod")
    for verb in ("get", "create", "update", "patch", "delete"):
        row = can_i.Row("flights-prod:ci", verb, "services/proxy", namespace, f"{found[1]}:{found[3]}", allowed=True)
        assert can_i.can_i(recorded.objects, row) is (verb in verbs.split())
