"""What becomes of Kubeflow's manifests, without Pulumi."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from tests.infra.kubernetes import kubeflow_manifests

from mlops_platform.components.kubernetes.kubeflow.manifests import COMMIT, Manifests, read
from mlops_platform.components.kubernetes.kubeflow.store import Place
from mlops_platform.components.kubernetes.kubeflow.wiring import Wiring, wire
from mlops_platform.components.kubernetes.sizes import Workload
from mlops_platform.errors import PlatformError

FILE = Path("/project/infra/kubeflow-pipelines.yaml")
OURS = {"seedbed/environment": "flights.prod"}


def change(objects=None, *, endpoint="http://store.flights-prod.svc:9000", **options):
    place = Place.of(endpoint, "eu-west-1", "flights-artifacts")
    given = {
        "labels": OURS, "mirror": "", "credentials": "digest", "authority": False, "storage_class": "",
        "database": Workload("100m", "1Gi", "5Gi"), **options,
    }  # fmt: skip
    objects = kubeflow_manifests.objects() if objects is None else objects
    return Manifests(wire(Manifests(objects, FILE), Wiring(fill=lambda text: text(place), **given)), FILE)


def variables(manifests, deployment, container=None):
    env = manifests.container(deployment, container or deployment).get("env", [])
    assert len({item["name"] for item in env}) == len(env)
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in env}


def names(manifests):
    return {(found["kind"], found["metadata"]["name"]) for found in manifests.objects}


def key(secret, name):
    return {"secretKeyRef": {"name": secret, "key": name}}


class TestStore:
    def test_its_own_store_is_left_out_whole(self):
        assert not [name for _, name in names(change()) if name.startswith("seaweedfs")]

    def test_the_server_of_pipelines_uses_ours(self):
        found = variables(change(), "ml-pipeline", "ml-pipeline-api-server")
        assert {name: value for name, value in found.items() if name.startswith("OBJECTSTORECONFIG_")} == {
            "OBJECTSTORECONFIG_HOST": "store.flights-prod.svc",
            "OBJECTSTORECONFIG_PORT": "9000",
            "OBJECTSTORECONFIG_SECURE": "false",
            "OBJECTSTORECONFIG_REGION": "eu-west-1",
            "OBJECTSTORECONFIG_BUCKETNAME": "flights-artifacts",
            "OBJECTSTORECONFIG_ACCESSKEY": key("mlpipeline-minio-artifact", "accesskey"),
            "OBJECTSTORECONFIG_SECRETACCESSKEY": key("mlpipeline-minio-artifact", "secretkey"),
        }
        assert found["LOG_LEVEL"] == "info"

    def test_so_do_its_pages(self):
        found = variables(change(), "ml-pipeline-ui")
        assert found["MINIO_HOST"] == "store.flights-prod.svc"
        assert found["MINIO_NAMESPACE"] == ""
        assert (found["MINIO_PORT"], found["MINIO_SSL"]) == ("9000", "false")
        assert found["MINIO_SECRET_KEY"] == key("mlpipeline-minio-artifact", "secretkey")
        assert (found["AWS_S3_ENDPOINT"], found["AWS_SSL"]) == ("store.flights-prod.svc:9000", "false")
        assert found["ARGO_ARCHIVE_BUCKETNAME"] == "flights-artifacts"

    def test_runs_put_their_artifacts_there(self):
        manifests = change()
        launcher = manifests.find("ConfigMap", "kfp-launcher")["data"]
        assert launcher["defaultPipelineRoot"] == "s3://flights-artifacts/kubeflow"
        assert yaml.safe_load(launcher["providers"]) == {
            "s3": {
                "default": {
                    "endpoint": "store.flights-prod.svc:9000",
                    "region": "eu-west-1",
                    "disableSSL": True,
                    "forcePathStyle": True,
                    "credentials": {
                        "fromEnv": False,
                        "secretRef": {
                            "secretName": "mlpipeline-minio-artifact",
                            "accessKeyKey": "accesskey",
                            "secretKeyKey": "secretkey",
                        },
                    },
                }
            }
        }
        installed = manifests.find("ConfigMap", "pipeline-install-config")["data"]
        assert installed["bucketName"] == "flights-artifacts"
        assert installed["defaultPipelineRoot"] == launcher["defaultPipelineRoot"]
        assert installed["cronScheduleTimezone"] == "UTC"

    def test_argo_keeps_logs_there_under_the_names_that_kubeflow_gives_them(self):
        argo = change().find("ConfigMap", "workflow-controller-configmap")["data"]
        assert yaml.safe_load(argo["artifactRepository"]) == {
            "archiveLogs": True,
            "s3": {
                "endpoint": "store.flights-prod.svc:9000",
                "bucket": "flights-artifacts",
                "region": "eu-west-1",
                "insecure": True,
                "keyFormat": "logs/{{pod.name}}",
                "accessKeySecret": {"name": "mlpipeline-minio-artifact", "key": "accesskey"},
                "secretKeySecret": {"name": "mlpipeline-minio-artifact", "key": "secretkey"},
            },
        }
        assert argo["executor"] == "imagePullPolicy: IfNotPresent\n"

    @pytest.mark.parametrize(
        ("endpoint", "host", "port", "secure", "address"),
        [
            ("", "s3.eu-west-1.amazonaws.com", 443, True, "s3.eu-west-1.amazonaws.com"),
            ("https://s3.acme.com", "s3.acme.com", 443, True, "s3.acme.com"),
            ("https://s3.acme.com:9443", "s3.acme.com", 9443, True, "s3.acme.com:9443"),
            ("http://s3.acme.com", "s3.acme.com", 80, False, "s3.acme.com"),
        ],
    )
    def test_a_store_elsewhere(self, endpoint, host, port, secure, address):
        place = Place.of(endpoint, "eu-west-1", "b")
        assert (place.host, place.port, place.secure, place.address) == (host, port, secure, address)
        manifests = change(endpoint=endpoint)
        found = variables(manifests, "ml-pipeline", "ml-pipeline-api-server")
        assert found["OBJECTSTORECONFIG_HOST"] == host
        assert found["OBJECTSTORECONFIG_SECURE"] == str(secure).lower()
        providers = yaml.safe_load(manifests.find("ConfigMap", "kfp-launcher")["data"]["providers"])
        assert providers["s3"]["default"]["disableSSL"] is not secure

    def test_pods_that_hold_the_keys_start_anew_with_new_ones(self):
        for name in ("ml-pipeline", "ml-pipeline-ui"):
            before, after = (
                change(credentials=digest).find("Deployment", name)["spec"]["template"] for digest in ("one", "two")
            )
            assert before != after


class TestIdentities:
    """Where pods have identities that the store knows, and no keys."""

    def test_nothing_mentions_keys(self):
        manifests = change(endpoint="", credentials=None)
        assert "mlpipeline-minio-artifact" not in json.dumps(manifests.objects)
        for name in ("ml-pipeline", "ml-pipeline-ui"):
            template = manifests.find("Deployment", name)["spec"]["template"]
            assert "seedbed/credentials" not in template["metadata"].get("annotations", {})

    def test_servers_have_empty_ones_which_means_as_who_they_are(self):
        api = variables(change(endpoint="", credentials=None), "ml-pipeline", "ml-pipeline-api-server")
        assert {api["OBJECTSTORECONFIG_ACCESSKEY"], api["OBJECTSTORECONFIG_SECRETACCESSKEY"]} == {""}
        ui = variables(change(endpoint="", credentials=None), "ml-pipeline-ui")
        assert {ui["AWS_ACCESS_KEY_ID"], ui["AWS_SECRET_ACCESS_KEY"], ui["MINIO_ACCESS_KEY"]} == {""}

    def test_so_do_runs_and_argo(self):
        manifests = change(endpoint="", credentials=None)
        providers = yaml.safe_load(manifests.find("ConfigMap", "kfp-launcher")["data"]["providers"])
        assert providers["s3"]["default"]["credentials"] == {"fromEnv": True}
        argo = manifests.find("ConfigMap", "workflow-controller-configmap")["data"]["artifactRepository"]
        kept = yaml.safe_load(argo)["s3"]
        assert kept["useSDKCreds"] is True
        assert not {"accessKeySecret", "secretKeySecret"} & set(kept)


class TestAuthority:
    def test_without_one_nothing_is_mounted(self):
        manifests = change()
        assert "volumes" not in manifests.find("Deployment", "ml-pipeline")["spec"]["template"]["spec"]
        assert "containers" not in patch(manifests)

    @pytest.mark.parametrize(
        ("deployment", "container", "variable", "value"),
        [
            ("ml-pipeline", "ml-pipeline-api-server", "SSL_CERT_DIR", "/etc/seedbed/store"),
            ("ml-pipeline-ui", "ml-pipeline-ui", "NODE_EXTRA_CA_CERTS", "/etc/seedbed/store/ca.crt"),
        ],
    )
    def test_servers_trust_it(self, deployment, container, variable, value):
        manifests = change(endpoint="https://store.x.svc:9000", authority=True)
        pod = manifests.find("Deployment", deployment)["spec"]["template"]["spec"]
        volume = {"name": "store-authority", "secret": {"secretName": "store-authority"}}
        assert volume in pod["volumes"]
        mounts = manifests.container(deployment, container)["volumeMounts"]
        assert {"name": "store-authority", "mountPath": "/etc/seedbed/store", "readOnly": True} in mounts
        assert variables(manifests, deployment, container)[variable] == value

    def test_what_is_mounted_already_stays(self):
        manifests = change(endpoint="https://store.x.svc:9000", authority=True)
        volumes = manifests.find("Deployment", "ml-pipeline-ui")["spec"]["template"]["spec"]["volumes"]
        assert [volume["name"] for volume in volumes] == ["config", "store-authority"]

    def test_so_do_the_steps_of_runs_and_argo(self):
        manifests = change(endpoint="https://store.x.svc:9000", authority=True)
        found = patch(manifests)
        assert found["volumes"] == [{"name": "store-authority", "secret": {"secretName": "store-authority"}}]
        (step,) = found["containers"]
        assert step["name"] == "main"
        assert step["env"] == [{"name": "AWS_CA_BUNDLE", "value": "/etc/seedbed/store/ca.crt"}]
        assert [mount["mountPath"] for mount in step["volumeMounts"]] == ["/etc/seedbed/store"]
        argo = manifests.find("ConfigMap", "workflow-controller-configmap")["data"]["artifactRepository"]
        assert yaml.safe_load(argo)["s3"]["caSecret"] == {"name": "store-authority", "key": "ca.crt"}


class TestDatabase:
    def test_it_has_a_password(self):
        found = variables(change(), "mysql")
        assert found == {"MYSQL_ROOT_PASSWORD": key("mysql-secret", "password")}

    def test_its_volume_is_of_our_size_and_class(self):
        for storage_class in ("", "fast"):
            claim = change(storage_class=storage_class).find("PersistentVolumeClaim", "mysql-pv-claim")["spec"]
            assert claim["resources"] == {"requests": {"storage": "5Gi"}}
            assert claim.get("storageClassName", "") == storage_class
            assert claim["accessModes"] == ["ReadWriteOnce"]

    def test_no_password_that_everybody_knows_is_left(self):
        manifests = change()
        assert not {("Secret", "mysql-secret"), ("Secret", "mlpipeline-minio-artifact")} & names(manifests)
        written = yaml.safe_dump_all(manifests.objects)
        assert "minio123" not in written
        assert "ALLOW_EMPTY" not in written


def patch(manifests):
    argo = manifests.find("ConfigMap", "workflow-controller-configmap")["data"]
    return json.loads(yaml.safe_load(argo["workflowDefaults"])["spec"]["podSpecPatch"])


class TestRuns:
    def test_steps_are_not_root_and_own_the_volumes_that_they_mount(self):
        manifests = change()
        installed = manifests.find("ConfigMap", "pipeline-install-config")["data"]
        assert installed["defaultSecurityContextRunAsNonRoot"] == "true"
        assert installed["defaultSecurityContextRunAsUser"] == installed["defaultSecurityContextRunAsGroup"] == "10001"
        assert patch(manifests) == {"securityContext": {"fsGroup": 10001, "fsGroupChangePolicy": "OnRootMismatch"}}

    def test_they_and_their_workflows_carry_the_environments_label(self):
        argo = change().find("ConfigMap", "workflow-controller-configmap")["data"]
        defaults = yaml.safe_load(argo["workflowDefaults"])
        assert defaults["metadata"]["labels"] == defaults["spec"]["podMetadata"]["labels"] == OURS

    def test_what_kubeflow_gives_workflows_by_default_stays(self):
        given = kubeflow_manifests.objects()
        argo = Manifests(given, FILE).find("ConfigMap", "workflow-controller-configmap")
        argo["data"]["workflowDefaults"] = "spec:\n  parallelism: 3\n  podMetadata:\n    labels: {team: a}\n"
        found = change(given).find("ConfigMap", "workflow-controller-configmap")["data"]["workflowDefaults"]
        assert yaml.safe_load(found)["spec"]["parallelism"] == 3
        assert yaml.safe_load(found)["spec"]["podMetadata"]["labels"] == {"team": "a", **OURS}

    def test_their_images_can_be_pulled(self):
        assert change().find("ServiceAccount", "pipeline-runner")["imagePullSecrets"] == [
            {"name": "pipelines-registry"}
        ]

    def test_their_pods_wait_for_no_controller_when_they_go(self):
        assert variables(change(), "workflow-controller")["ARGO_POD_STATUS_CAPTURE_FINALIZER"] == "false"


class TestImages:
    def test_each_is_named_in_full(self):
        manifests = change()
        assert manifests.container("mysql", "mysql")["image"] == "docker.io/library/mysql:8.4"

    def test_a_mirror_holds_all_of_them(self):
        manifests = change(mirror="mirror.acme.com/hub")
        written = yaml.safe_dump_all(manifests.objects)
        for home in ("ghcr.io", "quay.io", "docker.io", "image: alpine", "image: mysql"):
            assert home not in written
        found = variables(manifests, "ml-pipeline", "ml-pipeline-api-server")
        assert found["V2_DRIVER_IMAGE"] == "mirror.acme.com/hub/kubeflow/kfp-driver:2.17.0"
        assert found["V2_LAUNCHER_IMAGE"] == "mirror.acme.com/hub/kubeflow/kfp-launcher:2.17.0"
        arguments = manifests.container("workflow-controller", "workflow-controller")["args"]
        assert arguments == ["--namespaced", "--executor-image", "mirror.acme.com/hub/argoproj/argoexec:v4.0.5"]


class TestTheRest:
    def test_the_cache_of_version_1_is_left_out_with_its_rights(self):
        left = names(change())
        assert not [name for _, name in left if "cache" in name]
        assert ("ServiceAccount", "seedweed-not-a-match") in left

    def test_every_object_and_pod_carries_the_environments_label_and_keeps_its_own(self):
        for found in change().objects:
            labels = found["metadata"]["labels"]
            assert labels["seedbed/environment"] == "flights.prod"
            if found["kind"] == "Deployment":
                name = found["metadata"]["name"]
                assert found["spec"]["template"]["metadata"]["labels"] == {"app": name, **OURS}
                assert found["spec"]["selector"]["matchLabels"] == {"app": name}

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("CustomResourceDefinition", "workflows.argoproj.io"),
            ("PriorityClass", "workflow-controller"),
            ("Viewer", "example"),
            ("ServiceAccount", "seedweed-not-a-match"),
        ],
    )
    def test_what_is_not_changed_passes_with_a_label_more(self, kind, name):
        before = Manifests(kubeflow_manifests.objects(), FILE).find(kind, name)
        before["metadata"]["labels"] = {**before["metadata"].get("labels", {}), **OURS}
        assert change().find(kind, name) == before

    def test_its_namespace_is_held_to_baseline_and_reports_what_is_not_restricted(self):
        labels = change().find("Namespace", "kubeflow")["metadata"]["labels"]
        levels = {mode: labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")}
        assert levels == {"enforce": "baseline", "audit": "restricted", "warn": "restricted"}

    def test_services_do_not_wait_for_the_pods_that_come_after_them(self):
        services = [found for found in change().objects if found["kind"] == "Service"]
        assert {found["metadata"]["name"] for found in services} == {"ml-pipeline", "ml-pipeline-ui"}
        for found in services:
            assert found["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}

    def test_what_was_read_is_not_touched(self):
        given = kubeflow_manifests.objects()
        before = copy.deepcopy(given)
        change(given)
        assert given == before

    def test_the_same_settings_give_the_same_objects(self):
        assert change().objects == change().objects


class TestAnotherVersion:
    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("Namespace", "kubeflow"),
            ("Secret", "mlpipeline-minio-artifact"),
            ("Secret", "mysql-secret"),
            ("Deployment", "ml-pipeline"),
            ("Deployment", "ml-pipeline-ui"),
            ("Deployment", "workflow-controller"),
            ("Deployment", "mysql"),
            ("Deployment", "seaweedfs"),
            ("Deployment", "cache-server"),
            ("Deployment", "cache-deployer-deployment"),
            ("PersistentVolumeClaim", "mysql-pv-claim"),
            ("ConfigMap", "pipeline-install-config"),
            ("ConfigMap", "kfp-launcher"),
            ("ConfigMap", "workflow-controller-configmap"),
            ("ServiceAccount", "pipeline-runner"),
        ],
    )
    def test_that_has_renamed_something_is_refused_by_its_name(self, kind, name):
        given = kubeflow_manifests.objects()
        Manifests(given, FILE).find(kind, name)["metadata"]["name"] = "renamed"
        with pytest.raises(PlatformError, match=rf"has no {kind} {name}") as caught:
            change(given)
        assert COMMIT in caught.value.remedy

    @pytest.mark.parametrize(
        ("deployment", "container"),
        [("ml-pipeline", "ml-pipeline-api-server"), ("ml-pipeline-ui", "ml-pipeline-ui"), ("mysql", "mysql"),
         ("workflow-controller", "workflow-controller")],
    )  # fmt: skip
    def test_a_renamed_container_is(self, deployment, container):
        given = kubeflow_manifests.objects()
        Manifests(given, FILE).container(deployment, container)["name"] = "renamed"
        with pytest.raises(PlatformError, match=f"has no container {container} in Deployment {deployment}"):
            change(given)

    def test_so_is_one_whose_run_images_are_elsewhere(self):
        given = kubeflow_manifests.objects()
        server = Manifests(given, FILE).container("ml-pipeline", "ml-pipeline-api-server")
        server["env"] = [item for item in server["env"] if item["name"] != "V2_LAUNCHER_IMAGE"]
        with pytest.raises(PlatformError, match="V2_LAUNCHER_IMAGE"):
            change(given)

    def test_so_is_one_whose_executor_is(self):
        given = kubeflow_manifests.objects()
        Manifests(given, FILE).container("workflow-controller", "workflow-controller")["args"] = ["--executor-image"]
        with pytest.raises(PlatformError, match="--executor-image"):
            change(given)

    @pytest.mark.parametrize("content", ["", "- a list\n"])
    def test_so_is_one_whose_artifacts_are_set_otherwise(self, content):
        given = kubeflow_manifests.objects()
        argo = Manifests(given, FILE).find("ConfigMap", "workflow-controller-configmap")["data"]
        argo["artifactRepository"] = content
        with pytest.raises(PlatformError, match="artifactRepository"):
            change(given)

    @pytest.mark.parametrize("value", ["http://seaweedfs.kubeflow:8333", "minio-service:9000", "minio123"])
    def test_a_new_setting_that_leads_to_the_store_left_out_is_refused(self, value):
        given = kubeflow_manifests.objects()
        Manifests(given, FILE).container("metadata-writer", "metadata-writer")["env"] = [
            {"name": "NEW", "value": value}
        ]
        with pytest.raises(PlatformError, match="in Deployment metadata-writer, where nothing replaces it"):
            change(given)

    def test_so_is_one_in_a_config_map_but_not_a_comment(self):
        given = kubeflow_manifests.objects()
        installed = Manifests(given, FILE).find("ConfigMap", "pipeline-install-config")["data"]
        installed["new"] = "# such as seaweedfs.kubeflow\nx: 1\n"
        change(given)
        installed["new"] = "host: seaweedfs.kubeflow\n"
        with pytest.raises(PlatformError, match="seaweedfs in ConfigMap pipeline-install-config"):
            change(given)


class TestReading:
    @pytest.fixture
    def file(self, tmp_path):
        def write(content):
            path = tmp_path / "kubeflow-pipelines.yaml"
            path.write_text(content)
            return path

        return write

    def test_all_objects_are_read(self, file):
        path = file(kubeflow_manifests.text() + "---\n")
        assert read(path).objects == kubeflow_manifests.objects()

    def test_dates_and_equal_signs_are_strings(self, file):
        given = kubeflow_manifests.text() + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n"
        path = file(given + "  day: 2026-07-09\n  operator: =\n")
        assert read(path).objects[-1]["data"] == {"day": "2026-07-09", "operator": "="}

    def test_without_the_file_the_commands_that_make_it_are_told(self, tmp_path):
        path = tmp_path / "with space" / "kubeflow-pipelines.yaml"
        with pytest.raises(PlatformError) as caught:
            read(path)
        assert str(path) in caught.value.problem
        first, second = [line for line in caught.value.remedy.splitlines() if "kubectl" in line]
        assert f"cluster-scoped-resources?ref={COMMIT}" in first
        assert f"env/platform-agnostic?ref={COMMIT}" in second
        assert first.endswith(f"> '{path}'")
        assert second.endswith(f">> '{path}'")
        for way in ("seedbed up", "pipelinesManifests", "pulumi config set pipelines none"):
            assert way in caught.value.remedy

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("a: [", "is no YAML"),
            ("", "has no Deployment ml-pipeline"),
            ("- 1\n", "holds no Kubernetes object in its document 1"),
            ("apiVersion: v1\nkind: Secret\n", "holds no Kubernetes object in its document 1"),
            ("!!python/object/apply:os.getcwd []\n", "is no YAML"),
        ],
    )
    def test_a_file_of_something_else_is_refused(self, file, content, problem):
        with pytest.raises(PlatformError, match=problem):
            read(file(content))

    def test_another_versions_file_is_refused(self, file):
        with pytest.raises(PlatformError, match=r"is of version 2\.18\.1"):
            read(file(kubeflow_manifests.text().replace("kfp-api-server:2.17.0", "kfp-api-server:2.18.1")))

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(PlatformError, match="can't be read"):
            read(tmp_path)
