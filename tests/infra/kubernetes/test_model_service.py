import re

import pulumi
import pytest
from tests.conftest import ROOT
from tests.infra.kubernetes.stores import FakeStore, environment

IMAGE = "localhost:30500/flights/service:1.2.0"
SERVING = ROOT / "templates/serving/{{ cookiecutter.slug }}/src/{{ cookiecutter.package }}/serving"


@pytest.fixture
def declared(on_cluster):
    def run(tracking_url="http://tracking.flights-prod.svc:5000", pull_secret=None, opts=None, **values):
        def declare(cluster):
            from mlops_platform.components.kubernetes.service import ModelService

            ModelService(
                "service", cluster=cluster, namespace="flights-prod-serving", store=FakeStore(),
                tracking_url=tracking_url, pull_secret=pull_secret, opts=opts,
            )  # fmt: skip

        return on_cluster(declare, serviceImage=IMAGE, **values)

    return run


def pod(recorded):
    return recorded.find("Deployment")["spec"]["template"]["spec"]


def container(recorded):
    return pod(recorded)["containers"][0]


def test_it_runs_the_image_of_the_settings(declared):
    assert container(declared())["image"] == IMAGE


def test_a_release_by_ci_is_not_taken_back(declared):
    ignored = {}

    def look(made):
        ignored[made.type_] = made.opts.ignore_changes

    recorded = declared(opts=pulumi.ResourceOptions(transformations=[look]))
    assert ignored["kubernetes:apps/v1:Deployment"] == ["spec.template.spec.containers[0].image"]
    assert container(recorded)["name"] == "service"  # as CI calls it


def test_the_autoscalers_choice_is_not_taken_back(declared):
    assert "replicas" not in declared().find("Deployment")["spec"]


def test_up_does_not_wait_for_somebodys_first_training(declared):
    for kind in ("Deployment", "Service"):
        assert declared().find(kind)["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


@pytest.mark.parametrize(("size", "bounds"), [("small", (1, 2)), ("standard", (2, 6)), ("ha", (3, 12))])
def test_it_grows_with_its_load_between_the_bounds_of_the_size(declared, size, bounds):
    recorded = declared(size=size)
    scaler = recorded.find("HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == bounds
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", recorded.find("Deployment")["metadata"]["name"])
    # A share of what is requested: without a request there is nothing to compare with.
    assert container(recorded)["resources"]["requests"]["cpu"]


@pytest.mark.parametrize(("size", "budgets"), [("small", 0), ("standard", 1), ("ha", 1)])
def test_only_what_has_several_pods_has_a_disruption_budget(declared, size, budgets):
    found = declared(size=size).all("PodDisruptionBudget")
    assert len(found) == budgets
    for budget in found:
        assert budget["spec"]["maxUnavailable"] == 1
        # Pods without a model are never ready, and must not stop a node from being drained.
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_an_old_pod_goes_only_when_a_new_one_can_predict(declared):
    recorded = declared()
    assert recorded.find("Deployment")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert container(recorded)["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container(recorded)["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_its_paths_and_its_port_are_the_services_own(declared):
    routes = re.search(r"^ROUTES = frozenset\((.*)\)$", (SERVING / "service.py").read_text(), re.MULTILINE)[1]
    probes = [container(declared())[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert {probe["path"] for probe in probes} <= set(re.findall(r'"(.*?)"', routes))
    dockerfile = (ROOT / "templates/pipeline-kubeflow/{{ cookiecutter.slug }}/Dockerfile").read_text()
    port = int(re.search(r"^EXPOSE (\d+)$", dockerfile, re.MULTILINE)[1])
    assert container(declared())["ports"] == [{"name": "http", "containerPort": port}]


def seconds(file, name):
    return float(re.search(rf"{name}.*?(\d+(?:\.\d+)?)", (SERVING / file).read_text())[1])


def test_it_has_time_to_finish_requests_and_to_send_its_logs(declared):
    """All that the service waits for when it is told to stop, one after the other, and the pause before it is told."""
    pause = float(container(declared())["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = (
        seconds("settings.py", "stop_timeout_seconds: int = _setting")
        + seconds("store.py", "def stop.*timeout_seconds: float = ")
        + 2 * seconds("log.py", "def stop.*timeout_seconds: float = ")
        + seconds("uploads.py", "def stop.*timeout_seconds: float = ")
    )
    assert pod(declared())["terminationGracePeriodSeconds"] > pause + needed


def test_every_variable_is_one_that_the_service_knows(declared):
    known = set(re.findall(r"^    (\w+): ", (SERVING / "settings.py").read_text(), re.MULTILINE))
    ours = {name.lower() for name in environment(container(declared())) if name.startswith(("LOG_", "PREDICTION_"))}
    assert ours == {"prediction_log", "log_spool", "log_files"}
    assert ours <= known


def test_predictions_go_to_the_store_by_way_of_a_folder_that_holds_them(declared):
    recorded = declared()
    variables = environment(container(recorded))
    assert variables["PREDICTION_LOG"] == "s3://flights-artifacts/predictions"
    mounts = {mount["mountPath"]: mount["name"] for mount in container(recorded)["volumeMounts"]}
    limits = {v["name"]: v["emptyDir"]["sizeLimit"] for v in pod(recorded)["volumes"] if "emptyDir" in v}
    assert variables["LOG_SPOOL"].startswith("/data/")
    file_mebibytes = int(
        re.search(r"log_file_bytes: int = _setting\(([\d_]+)", (SERVING / "settings.py").read_text())[1]
    )
    # Two logs. A pod whose folder grows beyond its limit is evicted.
    assert int(limits[mounts["/data"]].removesuffix("Mi")) * 2**20 >= 2 * int(variables["LOG_FILES"]) * file_mebibytes


def test_with_mlflow_models_come_from_there(declared):
    variables = environment(container(declared()))
    assert variables["MLFLOW_TRACKING_URI"] == "http://tracking.flights-prod.svc:5000"
    assert "ARTIFACT_BUCKET" not in variables


def test_without_mlflow_models_come_from_the_store(declared):
    variables = environment(container(declared(tracking_url=None, tracking="false")))
    assert variables["ARTIFACT_BUCKET"] == "flights-artifacts"
    assert "MLFLOW_TRACKING_URI" not in variables


def test_its_keys_are_its_own(declared):
    recorded = declared()
    assert environment(container(recorded))["AWS_SECRET_ACCESS_KEY"] == "service-store/AWS_SECRET_ACCESS_KEY"
    assert recorded.find("Secret", "service-store")["stringData"]["AWS_SECRET_ACCESS_KEY"] == "service-secret"
    assert "service-secret" not in str([o for o in recorded.objects if o["kind"] != "Secret"])


@pytest.mark.parametrize(("secret", "expected"), [(None, None), ("registry-pull", [{"name": "registry-pull"}])])
def test_nodes_pull_the_image_with_the_registrys_secret(declared, secret, expected):
    assert pod(declared(pull_secret=secret)).get("imagePullSecrets") == expected


def test_it_writes_to_its_folders_only(declared):
    recorded = declared()
    assert container(recorded)["securityContext"]["readOnlyRootFilesystem"] is True
    assert {mount["mountPath"] for mount in container(recorded)["volumeMounts"]} == {"/data", "/tmp"}  # noqa: S108
    assert pod(recorded)["securityContext"]["runAsUser"] == 10001  # whom the image gives /data to
    assert pod(recorded)["automountServiceAccountToken"] is False


def test_a_service_called_service_sets_no_variables(declared):
    """SERVICE_PORT=tcp://… and its like, from before clusters had DNS."""
    assert pod(declared())["enableServiceLinks"] is False
