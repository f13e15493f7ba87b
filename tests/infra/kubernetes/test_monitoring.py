"""Monitoring on a cluster: what is declared, from the project's own files, with which rights and settings."""

import json
import shutil

import pytest
import yaml
from tests.infra.kubernetes.monitored import (
    IMAGE,
    Store,
    container_of,
    monitored,
    mount,
    pod_of,
    project,
    variables_of,
)

from mlops_platform.components.kubernetes.kubeflow.runs import VOLUME
from mlops_platform.errors import PlatformError

__all__ = ["monitored", "project"]
NAMESPACE = "flights-prod-monitoring"
# How the engine is told that a value is a secret.
SECRET_MARK, SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"


@pytest.fixture
def own_project(project, tmp_path):
    """A copy of the project that a test may change."""
    return shutil.copytree(project, tmp_path / "own")


def scraped(recorded):
    document = yaml.safe_load(recorded.find("Secret", "prometheus")["stringData"]["prometheus.yml"])
    return {job["job_name"]: job for job in document["scrape_configs"]}


def told(recorded):
    document = yaml.safe_load(recorded.find("Secret", "alertmanager")["stringData"]["alertmanager.yml"])
    return {receiver["name"]: receiver for receiver in document["receivers"]}


def test_rules_and_dashboards_are_the_projects_own(monitored, project, tmp_path):
    recorded = monitored()
    prometheus = mount(recorded, "StatefulSet", "prometheus", tmp_path / "p") / "etc/prometheus"
    grafana = mount(recorded, "Deployment", "grafana", tmp_path / "g")
    rules = (prometheus / "rules/alerts.yml").read_text()
    assert rules == (project / "prometheus/alerts.yml").read_text()
    assert yaml.safe_load((prometheus / "prometheus.yml").read_text())["rule_files"] == ["rules/alerts.yml"]
    for folder, path in (("provisioning", "etc/grafana/provisioning"), ("dashboards", "var/lib/grafana/dashboards")):
        given = {
            p.relative_to(project / "grafana" / folder): p.read_text() for p in _files(project / "grafana" / folder)
        }
        assert given == {p.relative_to(grafana / path): p.read_text() for p in _files(grafana / path)}


def test_dashboards_find_the_data_source_and_the_folder_that_the_project_names(monitored, tmp_path):
    recorded = monitored()
    root = mount(recorded, "Deployment", "grafana", tmp_path)
    provisioning = root / "etc/grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/dashboards.yml").read_text())["providers"]
    assert list((root / provider["options"]["path"].lstrip("/")).glob("*.json"))
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "${PROMETHEUS_URL}"
    url = variables_of(container_of(recorded, "Deployment", "grafana"))["PROMETHEUS_URL"]
    assert url == recorded.outputs["prometheus"] == f"http://prometheus.{NAMESPACE}.svc:9090"
    for dashboard in root.glob("var/lib/grafana/dashboards/*.json"):
        for panel in json.loads(dashboard.read_text())["panels"]:
            assert panel.get("datasource", {"uid": source["uid"]})["uid"] == source["uid"]


def test_jobs_keep_their_names_and_find_their_targets_in_the_cluster(monitored):
    jobs = scraped(monitored())
    (discovery,) = jobs["serving"]["kubernetes_sd_configs"]
    assert discovery["namespaces"] == {"names": ["flights-prod-serving"]}
    assert discovery["selectors"] == [
        {"role": "pod", "label": "app.kubernetes.io/component=service,seedbed/environment=flights.prod"}
    ]
    (targets,) = jobs["monitoring"]["static_configs"]
    assert targets["targets"] == [f"drift.{NAMESPACE}.svc:9100", f"retraining.{NAMESPACE}.svc:9100"]
    assert "127.0.0.1" not in yaml.safe_dump(jobs)


@pytest.mark.parametrize(("size", "replicas"), [("small", 1), ("standard", 1), ("ha", 2)])
def test_every_alertmanager_is_told_by_every_prometheus(monitored, size, replicas):
    recorded = monitored(size=size)
    document = yaml.safe_load(recorded.find("Secret", "prometheus")["stringData"]["prometheus.yml"])
    (given,) = document["alerting"]["alertmanagers"]
    names = [f"alertmanager-{number}.alertmanager-mesh.{NAMESPACE}.svc" for number in range(replicas)]
    assert given == {"static_configs": [{"targets": [f"{name}:9093" for name in names]}]}
    alertmanager = recorded.find("StatefulSet", "alertmanager")["spec"]
    mesh = recorded.find("Service", "alertmanager-mesh")["spec"]
    assert alertmanager["replicas"] == recorded.find("StatefulSet", "prometheus")["spec"]["replicas"] == replicas
    # Pods have names of their own only in the headless Service that their set belongs to.
    assert alertmanager["serviceName"] == "alertmanager-mesh"
    assert (mesh["clusterIP"], mesh["publishNotReadyAddresses"]) == ("None", True)
    arguments = container_of(recorded, "StatefulSet", "alertmanager")["args"]
    peers = [argument.partition("=")[2] for argument in arguments if argument.startswith("--cluster.peer=")]
    assert peers == ([f"{name}:9094" for name in names] if replicas > 1 else [])
    assert ("--cluster.listen-address=" in arguments) is (replicas == 1)
    assert len(recorded.all("PodDisruptionBudget")) == (2 if replicas > 1 else 0)


def test_the_receiver_is_told_with_a_token_that_only_it_and_alertmanager_have(monitored, tmp_path):
    recorded = monitored()
    (hook,) = told(recorded)["retraining"]["webhook_configs"]
    assert hook["url"] == f"http://retraining.{NAMESPACE}.svc:9100/alerts"
    sender = mount(recorded, "StatefulSet", "alertmanager", tmp_path / "sender") / "etc/alertmanager"
    receiver = mount(recorded, "Deployment", "retraining", tmp_path / "receiver")
    variables = variables_of(container_of(recorded, "Deployment", "retraining"))
    # Alertmanager looks for files beside its configuration.
    token = (sender / hook["http_config"]["authorization"]["credentials_file"]).read_text()
    assert token == (receiver / variables["ALERT_TOKEN_FILE"].lstrip("/")).read_text() == "alert-token-value"
    holders = [name for kind, name in _workloads(recorded) if "alert-token" in json.dumps(pod_of(recorded, kind, name))]
    assert sorted(holders) == ["alertmanager", "retraining"]


def test_a_retraining_is_submitted_to_kubeflow_with_the_image_that_submits_it(monitored):
    recorded = monitored(storageClass="fast")
    container = container_of(recorded, "Deployment", "retraining")
    variables = variables_of(container)
    assert variables["KFP_ENDPOINT"] == "http://ml-pipeline.kubeflow.svc:8888"
    assert container["image"] == variables["PIPELINE_IMAGE"] == IMAGE
    # The volume that the environment keeps for runs has its class already, and no cluster's is guessed.
    assert variables["PIPELINE_VOLUME"] == VOLUME
    assert "PIPELINE_STORAGE_CLASS" not in variables
    assert container["command"][:4] == ["python", "-m", "flights.monitoring", "receive"]
    assert not {"AWS_ACCESS_KEY_ID", "PREDICTION_LOG"} & variables.keys()


ELSEWHERE = {"pipelinesHost": "https://kubeflow.example.com", "pipelines_host": "https://kubeflow.example.com"}
IDENTITY = ("KFP_TOKEN", "KFP_TOKEN_FILE", "KFP_CA_FILE", "KFP_NAMESPACE")


@pytest.fixture
def known_as(monkeypatch):
    """Set what `up` is run with; what isn't named is unset."""

    def set_variables(**values):
        for name in IDENTITY:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return set_variables


def test_in_a_kubeflow_elsewhere_a_run_makes_a_volume_of_the_environment_s_class(monitored, known_as):
    known_as()
    for values, expected in (({"storageClass": "fast"}, "fast"), ({}, None)):
        variables = variables_of(container_of(monitored(**ELSEWHERE, **values), "Deployment", "retraining"))
        assert variables.get("PIPELINE_STORAGE_CLASS") == expected
        assert "PIPELINE_VOLUME" not in variables


def test_a_kubeflow_elsewhere_is_told_who_asks_for_a_retraining(monitored, known_as, tmp_path):
    (tmp_path / "token").write_text("the-teams-token\n")
    (tmp_path / "ca").write_text("-----BEGIN CERTIFICATE-----\n")
    for given in ({"KFP_TOKEN": "the-teams-token"}, {"KFP_TOKEN_FILE": tmp_path / "token"}):
        known_as(**given, KFP_CA_FILE=tmp_path / "ca", KFP_NAMESPACE="team")
        recorded = monitored(**ELSEWHERE)
        root = mount(recorded, "Deployment", "retraining", tmp_path / next(iter(given)))
        variables = variables_of(container_of(recorded, "Deployment", "retraining"))
        assert variables["KFP_NAMESPACE"] == "team"
        assert (root / variables["KFP_TOKEN_FILE"].lstrip("/")).read_text() == "the-teams-token"
        assert (root / variables["KFP_CA_FILE"].lstrip("/")).read_text() == "-----BEGIN CERTIFICATE-----"
        assert "KFP_TOKEN" not in variables
        public = json.dumps([found for found in recorded.objects if found["kind"] != "Secret"])
        assert "the-teams-token" not in public
        holders = {
            name for kind, name in _workloads(recorded) if "pipelines-identity" in str(pod_of(recorded, kind, name))
        }
        assert holders == {"retraining"}


def test_a_token_for_a_kubeflow_elsewhere_is_a_secret_of_the_state(monitored, known_as):
    known_as(KFP_TOKEN="the-teams-token")
    made = [r for r in monitored(**ELSEWHERE).resources if "the-teams-token" in str(r.inputs)]
    assert [r.name for r in made] == ["pipelines-identity"]
    assert made[0].inputs["stringData"] == {SECRET_MARK: SECRET_SIGNATURE, "value": {"token": "the-teams-token"}}


@pytest.mark.parametrize("values", [{}, ELSEWHERE])
def test_without_an_identity_nothing_is_said_and_our_own_kubeflow_is_told_nothing(monitored, known_as, values):
    known_as()
    before = monitored(**values)
    if not values:
        known_as(KFP_TOKEN="of-another-server", KFP_NAMESPACE="team", KFP_TOKEN_FILE="/nowhere")
    after = monitored(**values)
    assert sorted(map(str, after.objects)) == sorted(map(str, before.objects))
    assert not set(IDENTITY) & variables_of(container_of(after, "Deployment", "retraining")).keys()


@pytest.mark.parametrize("variable", ["KFP_TOKEN_FILE", "KFP_CA_FILE"])
@pytest.mark.parametrize(
    ("name", "problem"), [("missing", "can't be read"), ("empty", "is empty"), ("", "can't be read")]
)
def test_an_identity_that_can_not_be_read_is_refused(monitored, known_as, tmp_path, variable, name, problem):
    (tmp_path / "empty").write_text("\n")
    known_as(**{variable: tmp_path / name})
    with pytest.raises(PlatformError, match=problem) as refused:
        monitored(**ELSEWHERE)
    assert f"{variable} names {tmp_path / name}" in refused.value.problem
    assert variable in refused.value.remedy


def test_drift_is_looked_for_where_the_service_logs_with_keys_of_its_own(monitored):
    recorded = monitored()
    for kind, name in (("Deployment", "drift"), ("CronJob", "drift-report")):
        container = container_of(recorded, kind, name)
        variables = variables_of(container)
        assert variables["PREDICTION_LOG"] == "s3://flights-prod-artifacts/predictions"
        assert variables["AWS_ENDPOINT_URL"] == "http://store.flights-prod.svc:9000"
        assert variables["MLFLOW_TRACKING_URI"] == "http://tracking.flights-prod.svc:5000"
        assert "ARTIFACT_BUCKET" not in variables
        references = {
            one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "secretKeyRef" in str(one)
        }
        found = {
            name: recorded.find("Secret", reference["name"])["stringData"][reference["key"]]
            for name, reference in references.items()
        }
        assert found == {"AWS_ACCESS_KEY_ID": "MONITOR", "AWS_SECRET_ACCESS_KEY": "the-monitor's-secret"}


def test_without_mlflow_models_and_reports_are_in_the_bucket(monitored):
    variables = variables_of(container_of(monitored(tracking_url=None), "Deployment", "drift"))
    assert variables["ARTIFACT_BUCKET"] == "flights-prod-artifacts"
    assert "MLFLOW_TRACKING_URI" not in variables


def test_a_store_with_an_authority_of_its_own_is_trusted(monitored, tmp_path):
    recorded = monitored(store=Store(authority="-----BEGIN CERTIFICATE-----"))
    for kind, name in (("Deployment", "drift"), ("CronJob", "drift-report")):
        bundle = variables_of(container_of(recorded, kind, name))["AWS_CA_BUNDLE"]
        root = mount(recorded, kind, name, tmp_path / name)
        assert (root / bundle.lstrip("/")).read_text() == "-----BEGIN CERTIFICATE-----"


def test_the_nightly_report_is_nobodys_server(monitored):
    recorded = monitored()
    labels = recorded.find("CronJob", "drift-report")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    exporter = recorded.find("Deployment", "drift")["spec"]
    for selector in (recorded.find("Service", "drift")["spec"]["selector"], exporter["selector"]["matchLabels"]):
        assert selector.items() <= exporter["template"]["metadata"]["labels"].items()
        assert not selector.items() <= labels.items()
    # And it may reach what the exporter may reach: network policies go by this label.
    assert labels["app.kubernetes.io/component"] == "drift"


def test_without_an_image_only_the_monitor_is_missing(monitored):
    recorded = monitored(image="")
    assert sorted(name for _, name in _workloads(recorded)) == ["alertmanager", "grafana", "prometheus"]
    assert scraped(recorded)["monitoring"]["static_configs"] == [{"targets": []}]
    assert told(recorded)["retraining"]["webhook_configs"] == []


def test_without_pipelines_drift_is_watched_and_nothing_is_trained_for_an_alert(monitored):
    recorded = monitored(pipelines_host=None)
    assert sorted(name for _, name in _workloads(recorded)) == [
        "alertmanager", "drift", "drift-report", "grafana", "prometheus",
    ]  # fmt: skip
    assert scraped(recorded)["monitoring"]["static_configs"] == [{"targets": [f"drift.{NAMESPACE}.svc:9100"]}]
    assert told(recorded)["retraining"]["webhook_configs"] == []


def test_prometheus_alone_may_ask_the_api_server_and_only_for_pods_of_our_namespaces(monitored):
    recorded = monitored()
    mounting = [
        name for kind, name in _workloads(recorded) if pod_of(recorded, kind, name)["automountServiceAccountToken"]
    ]
    assert mounting == ["prometheus"]
    assert not recorded.all("ClusterRole")
    assert not recorded.all("ClusterRoleBinding")
    namespaces = {"flights-prod", "flights-prod-serving", NAMESPACE}
    for role in recorded.all("Role"):
        assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert {role["metadata"]["namespace"] for role in recorded.all("Role")} == namespaces
    for binding in recorded.all("RoleBinding"):
        assert binding["roleRef"]["name"] == "prometheus"
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus", "namespace": NAMESPACE}]
    asked = {
        name
        for job in scraped(recorded).values()
        for discovery in job.get("kubernetes_sd_configs", [])
        for name in discovery["namespaces"]["names"]
    }
    assert asked == namespaces


def test_without_a_service_its_namespace_is_not_asked_for(monitored, own_project):
    path = own_project / "prometheus/prometheus.yml"
    document = yaml.safe_load(path.read_text())
    document["scrape_configs"] = [job for job in document["scrape_configs"] if job["job_name"] != "serving"]
    path.write_text(yaml.safe_dump(document))
    recorded = monitored(folder=own_project, serving="false")
    assert "serving" not in scraped(recorded)
    assert "flights-prod-serving" not in json.dumps(recorded.objects)


@pytest.mark.parametrize(
    ("path", "old", "new", "reader"),
    [
        ("prometheus/prometheus.yml", "15s", "20s", "prometheus"),
        ("prometheus/alerts.yml", "for: 2m", "for: 3m", "prometheus"),
        ("alertmanager/alertmanager.yml", "30s", "31s", "alertmanager"),
        ("grafana/provisioning/dashboards/dashboards.yml", "type: file", "type:  file", "grafana"),
    ],
)
def test_a_changed_file_starts_new_pods_of_what_reads_it_alone(monitored, own_project, path, old, new, reader):
    def pods():
        recorded = monitored(folder=own_project)
        served = [(kind, name) for kind, name in _workloads(recorded) if kind != "CronJob"]
        return {name: recorded.find(kind, name)["spec"]["template"] for kind, name in served}

    before = pods()
    assert pods() == before
    text = (own_project / path).read_text()
    assert old in text
    (own_project / path).write_text(text.replace(old, new))
    after = pods()
    assert {name for name in before if after[name] != before[name]} == {reader}


def test_nodes_pull_the_image_as_they_are_told(monitored):
    for name, expected in (("registry", [{"name": "registry"}]), (None, None)):
        recorded = monitored(pull_secret=name)
        for kind, workload in (("Deployment", "drift"), ("CronJob", "drift-report"), ("Deployment", "retraining")):
            assert pod_of(recorded, kind, workload).get("imagePullSecrets") == expected


def test_a_projects_own_jobs_receivers_and_settings_stay(monitored, own_project):
    prometheus = own_project / "prometheus/prometheus.yml"
    document = yaml.safe_load(prometheus.read_text())
    gpu = {"job_name": "gpu", "static_configs": [{"targets": ["gpu-exporter.tools.svc:9400"]}]}
    document["scrape_configs"].append(gpu)
    document["scrape_configs"][0] |= {
        "metrics_path": "/m",
        "relabel_configs": [{"target_label": "a", "replacement": "b"}],
    }
    document["remote_write"] = [{"url": "https://metrics.example.com/push"}]
    central = {"static_configs": [{"targets": ["alerts.example.com:9093"]}]}
    document["alerting"]["alertmanagers"].append(central)
    prometheus.write_text(yaml.safe_dump(document))
    alertmanager = own_project / "alertmanager/alertmanager.yml"
    routes = yaml.safe_load(alertmanager.read_text())
    chat = [{"api_url_file": "slack", "channel": "#ml"}]
    routes["receivers"][0]["slack_configs"] = chat
    alertmanager.write_text(yaml.safe_dump(routes))

    recorded = monitored(folder=own_project)
    written = yaml.safe_load(recorded.find("Secret", "prometheus")["stringData"]["prometheus.yml"])
    assert written["remote_write"] == document["remote_write"]
    assert written["alerting"]["alertmanagers"][1:] == [central]
    assert scraped(recorded)["gpu"] == gpu
    assert scraped(recorded)["serving"]["metrics_path"] == "/m"
    assert scraped(recorded)["serving"]["relabel_configs"][-1] == {"target_label": "a", "replacement": "b"}
    assert "static_configs" not in scraped(recorded)["serving"]
    assert told(recorded)["team"]["slack_configs"] == chat
    sources = pod_of(recorded, "StatefulSet", "alertmanager")["volumes"][0]["projected"]["sources"]
    assert {"secret": {"name": "alertmanager-receivers", "optional": True}} in sources


@pytest.mark.parametrize(
    ("path", "old", "new", "problem"),
    [
        ("prometheus/prometheus.yml", "job_name: monitoring", "job_name: node", r"prometheus\.yml names 127\.0\.0\.1:9100"),
        ("prometheus/prometheus.yml", "- alerts.yml", "- other.yml", r"other\.yml isn't there"),
        ("prometheus/prometheus.yml", "- alerts.yml", "- ../alerts.yml", r"rule files outside"),
        ("prometheus/prometheus.yml", "global:", "global: [", r"prometheus\.yml isn't YAML"),
        ("prometheus/alerts.yml", "groups:", "groups: [", r"alerts\.yml isn't YAML"),
        ("alertmanager/alertmanager.yml", ":9100/alerts", ":9100/other", r"alertmanager\.yml names http://127\.0\.0\.1:9100/other"),
        ("grafana/provisioning/datasources/prometheus.yml", "apiVersion: 1", "- 1", r"isn't YAML|holds no mapping"),
    ],
)  # fmt: skip
def test_a_file_that_would_not_work_in_the_cluster_is_refused_before(monitored, own_project, path, old, new, problem):
    text = (own_project / path).read_text()
    assert old in text
    (own_project / path).write_text(text.replace(old, new, 1))
    with pytest.raises(PlatformError, match=problem) as refused:
        monitored(folder=own_project)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "path", ["prometheus/prometheus.yml", "alertmanager/alertmanager.yml", "grafana/dashboards", "grafana/provisioning"]
)
def test_a_project_without_monitoring_is_told_how_to_leave_it_out(monitored, own_project, path):
    gone = own_project / path
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(PlatformError, match="isn't there") as refused:
        monitored(folder=own_project)
    assert str(gone) in refused.value.problem
    assert "pulumi config set monitoring false" in refused.value.remedy


def test_grafana_lets_nobody_in_without_a_password_and_asks_nobody_outside(monitored, tmp_path):
    recorded = monitored()
    variables = variables_of(container_of(recorded, "Deployment", "grafana"))
    root = mount(recorded, "Deployment", "grafana", tmp_path)
    secrets = {
        name: (root / variables[f"GF_SECURITY_{name}__FILE"].lstrip("/")).read_text()
        for name in ("ADMIN_PASSWORD", "SECRET_KEY")
    }
    assert secrets["ADMIN_PASSWORD"] == recorded.outputs["password"]
    assert len(set(secrets.values())) == 2
    for name in ("USERS_ALLOW_SIGN_UP", "AUTH_ANONYMOUS_ENABLED", "ANALYTICS_REPORTING_ENABLED",
                 "ANALYTICS_CHECK_FOR_UPDATES", "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "NEWS_NEWS_FEED_ENABLED",
                 "SNAPSHOTS_EXTERNAL_ENABLED"):  # fmt: skip
        assert variables[f"GF_{name}"] == "false", name
    assert variables["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert "GF_SERVER_ROOT_URL" not in variables


def test_grafana_starts_the_data_sources_that_the_project_names_and_no_others(monitored, own_project):
    def left_out(recorded):
        return set(
            variables_of(container_of(recorded, "Deployment", "grafana"))["GF_PLUGINS_DISABLE_PLUGINS"].split(",")
        )

    before = left_out(monitored(folder=own_project))
    assert "prometheus" not in before
    assert {"loki", "tempo", "grafana-lokiexplore-app"} <= before
    loki = {"name": "Logs", "type": "loki", "access": "proxy", "url": "http://loki.logs.svc:3100"}
    added = yaml.safe_dump({"apiVersion": 1, "datasources": [loki]})
    (own_project / "grafana/provisioning/datasources/loki.yml").write_text(added)
    plugins = own_project / "grafana/provisioning/plugins"
    plugins.mkdir()
    (plugins / "apps.yml").write_text(yaml.safe_dump({"apiVersion": 1, "apps": [{"type": "grafana-lokiexplore-app"}]}))
    assert before - left_out(monitored(folder=own_project)) == {"loki", "grafana-lokiexplore-app"}


def test_grafana_knows_its_address_where_it_is_published(monitored):
    recorded = monitored(domain="ml.example.com", clusterIssuer="letsencrypt")
    variables = variables_of(container_of(recorded, "Deployment", "grafana"))
    assert variables["GF_SERVER_ROOT_URL"] == "https://grafana.ml.example.com/"
    assert variables["GF_SECURITY_COOKIE_SECURE"] == "true"
    # Without TLS nothing that asks for a password is.
    recorded = monitored(domain="ml.example.com")
    assert "GF_SERVER_ROOT_URL" not in variables_of(container_of(recorded, "Deployment", "grafana"))


def test_no_secret_is_in_what_anybody_may_read(monitored):
    recorded = monitored()
    values = [
        *(
            value
            for secret in recorded.all("Secret")
            for key, value in secret["stringData"].items()
            if not key.endswith("yml")
        ),
        recorded.outputs["password"],
    ]
    assert len(values) >= 5
    public = json.dumps([found for found in recorded.objects if found["kind"] != "Secret"])
    assert not [value for value in values if value in public]


@pytest.mark.parametrize("size", ["small", "standard", "ha"])
def test_prometheus_leaves_room_on_its_volume(monitored, size):
    recorded = monitored(size=size, storageClass="fast")
    (claim,) = recorded.find("StatefulSet", "prometheus")["spec"]["volumeClaimTemplates"]
    gibibytes = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi"))
    arguments = container_of(recorded, "StatefulSet", "prometheus")["args"]
    (limit,) = (a.partition("=")[2] for a in arguments if a.startswith("--storage.tsdb.retention.size="))
    assert limit.endswith("MB")
    # Its documentation: at most 80 to 85 % of the volume, for the write-ahead log comes on top.
    assert 0.75 < int(limit.removesuffix("MB")) / 1024 / gibibytes <= 0.8
    assert claim["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize("size", ["small", "standard", "ha"])
def test_every_object_and_pod_and_volume_says_which_environment_it_is_of(monitored, size):
    recorded = monitored(size=size)
    labelled = [found["metadata"] for found in recorded.objects]
    for kind, name in _workloads(recorded):
        spec = recorded.find(kind, name)["spec"]
        labelled += [template["metadata"] for template in spec.get("volumeClaimTemplates", [])]
        if kind == "CronJob":
            labelled.append(spec["jobTemplate"]["metadata"])
            spec = spec["jobTemplate"]["spec"]
        labelled.append(spec["template"]["metadata"])
    assert [one["labels"]["seedbed/environment"] for one in labelled] == ["flights.prod"] * len(labelled)


def test_every_pod_is_probed_bounded_and_confined(monitored):
    recorded = monitored()
    for kind, name in _workloads(recorded):
        pod, container = pod_of(recorded, kind, name), container_of(recorded, kind, name)
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["enableServiceLinks"] is False, name
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert container["resources"]["limits"]["memory"], name
        probed = {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
        assert probed is (kind != "CronJob"), name


def _workloads(recorded):
    kinds = ("StatefulSet", "Deployment", "CronJob")
    return [(kind, found["metadata"]["name"]) for kind in kinds for found in recorded.all(kind)]


def _files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())
