"""The store as it is declared: its pods, volumes and secrets, in every kind and size."""

import json

import pytest
from tests.infra.kubernetes import drawn

from mlops_platform.errors import PlatformError

NAMESPACE = "flights-prod"


@pytest.fixture
def store(on_cluster, monkeypatch):
    from mlops_platform.components.kubernetes.store import ClusterStore, cluster_store

    monkeypatch.setattr(cluster_store, "Password", drawn.PASSWORD)
    monkeypatch.setattr(cluster_store, "Certificate", drawn.CERTIFICATE)

    def outputs(made):
        access_key, secret_key = made.keys("tracking")
        return {
            "endpoint": made.endpoint, "data": made.data_bucket, "artifacts": made.artifact_bucket,
            "access_key": access_key, "secret_key": secret_key, "project": made.access_key,
            "authority": made.authority or "",
        }  # fmt: skip

    return lambda **values: on_cluster(
        lambda cluster: outputs(ClusterStore("store", cluster=cluster, namespace=NAMESPACE)), **values
    )


def pod(recorded):
    return recorded.find("StatefulSet", "store")["spec"]["template"]["spec"]


def test_what_it_offers(store):
    offered = store().outputs
    assert offered["endpoint"] == "http://store.flights-prod.svc:9000"
    assert (offered["data"], offered["artifacts"]) == ("flights-prod-data", "flights-prod-artifacts")
    assert (offered["access_key"], offered["project"]) == ("tracking", "project")
    assert len(offered["secret_key"]) >= 32


@pytest.mark.parametrize(("kind", "claim"), [("minio", "minio-store-0"), ("seaweedfs", "seaweedfs-store-0")])
def test_its_volume_is_one_of_the_stack_under_the_name_that_the_pod_looks_for(store, kind, claim):
    recorded = store(store=kind, storageClass="fast", storeSize="300Gi")
    spec = recorded.find("PersistentVolumeClaim", claim)["spec"]
    assert spec["storageClassName"] == "fast"
    assert spec["resources"]["requests"]["storage"] == "300Gi"
    server = recorded.find("StatefulSet", "store")["spec"]
    (template,) = server["volumeClaimTemplates"]
    assert f"{template['metadata']['name']}-store-0" == claim
    assert template["metadata"]["labels"]["seedbed/environment"] == "flights.prod"
    mounts = {m["name"]: m["mountPath"] for m in pod(recorded)["containers"][0]["volumeMounts"]}
    assert mounts[template["metadata"]["name"]] == "/data"


def test_without_a_storage_class_the_clusters_default_is_taken(store):
    assert "storageClassName" not in store().find("PersistentVolumeClaim")["spec"]


def test_a_large_minio_spreads_its_objects_over_four_pods_of_which_one_may_go(store):
    recorded = store(size="ha")
    server = recorded.find("StatefulSet", "store")["spec"]
    assert server["replicas"] == len(recorded.all("PersistentVolumeClaim")) == 4
    assert server["podManagementPolicy"] == "Parallel"
    assert server["serviceName"] == "store-pods"
    assert pod(recorded)["containers"][0]["args"][-1] == ("http://store-{0...3}.store-pods.flights-prod.svc:9000/data")
    peers = recorded.find("Service", "store-pods")["spec"]
    assert (peers["clusterIP"], peers["publishNotReadyAddresses"]) == ("None", True)
    assert recorded.find("PodDisruptionBudget", "store")["spec"]["maxUnavailable"] == 1
    assert pod(recorded)["topologySpreadConstraints"]


def test_a_large_seaweedfs_is_one_pod_and_says_so(store, monkeypatch):
    import pulumi

    said = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    recorded = store(size="ha", store="seaweedfs")
    assert recorded.find("StatefulSet", "store")["spec"]["replicas"] == 1
    assert len(recorded.all("PersistentVolumeClaim")) == 1
    assert not recorded.all("PodDisruptionBudget")
    assert "one pod, also in an environment of the size ha" in said[0]


@pytest.mark.parametrize("kind", ["minio", "seaweedfs"])
def test_nothing_but_the_s3_api_is_reached_from_outside_the_pod(store, kind):
    recorded = store(store=kind)
    for container in pod(recorded)["containers"]:
        for argument in container["args"]:
            flag, _, value = argument.partition("=")
            if flag in {"-ip", "-ip.bind", "-master", "-admin"}:
                assert value.startswith("127.0.0.1")
    assert [p["port"] for p in recorded.find("Service", "store")["spec"]["ports"]] == [9000]
    assert recorded.find("Service", "store")["spec"].get("type", "ClusterIP") == "ClusterIP"


def test_the_administrators_password_is_a_file_of_the_server_and_of_the_job_alone(store):
    recorded = store()
    password = recorded.find("Secret", "store-root")["stringData"]["password"]
    assert recorded.find("Secret", "store-setup")["stringData"].keys() == {
        "project", "pipelines", "tracking", "service", "monitoring", "registry",
    }  # fmt: skip
    others = [o for o in recorded.objects if o["metadata"]["name"] != "store-root"]
    assert password not in json.dumps(others)
    users = {o["metadata"]["name"] for o in others if "store-root" in json.dumps(o)}
    assert users == {"store", "store-setup"}


def test_seaweedfs_has_its_users_in_one_file_that_only_it_reads(store):
    recorded = store(store="seaweedfs")
    content = json.loads(recorded.find("Secret", "store-identities")["stringData"]["s3.json"])
    assert {user["name"] for user in content["identities"]} == {
        "root", "project", "pipelines", "tracking", "service", "monitoring", "registry",
    }  # fmt: skip
    assert [user["name"] for user in content["identities"] if "actions" in user] == ["root"]
    assert not [s for s in recorded.all("Secret") if s["metadata"]["name"] == "store-setup"]


def fingerprint(recorded):
    return recorded.find("Job", "store-setup")["spec"]["template"]["metadata"]["annotations"]["seedbed/content"]


def test_the_set_up_runs_again_exactly_if_something_that_it_makes_is_another(store, monkeypatch):
    from mlops_platform.resources.password import PasswordProvider

    def draw(value):
        monkeypatch.setattr(PasswordProvider, "create", lambda *_: type("Made", (), {"outs": {"value": value}}))

    draw("one")
    first = fingerprint(store())
    assert fingerprint(store()) == first
    assert fingerprint(store(project="trains")) != first
    draw("two")
    assert fingerprint(store()) != first


def test_the_set_up_ends_and_stays_to_be_seen(store):
    spec = store().find("Job", "store-setup")["spec"]
    assert spec["activeDeadlineSeconds"] <= 1800
    assert spec["backoffLimit"] <= 5
    assert "ttlSecondsAfterFinished" not in spec, "it would be missed, and made anew, by the next up"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("kind", ["minio", "seaweedfs"])
def test_with_tls_the_certificate_is_good_for_every_name_of_the_store(store, kind):
    from cryptography import x509

    recorded = store(store=kind, storeTls="true", size="ha")
    assert recorded.outputs["endpoint"] == "https://store.flights-prod.svc:9000"
    files = recorded.find("Secret", "store-tls")["stringData"]
    assert files["ca.crt"] == recorded.outputs["authority"]
    certificate = x509.load_pem_x509_certificate(files["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "store", "store.flights-prod", "store.flights-prod.svc", "store.flights-prod.svc.cluster.local",
        "*.store-pods.flights-prod.svc", "localhost",
    }  # fmt: skip
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert pod(recorded)["containers"][0][probe]["httpGet"]["scheme"] == "HTTPS"
    private = [o["metadata"]["name"] for o in recorded.objects if "PRIVATE KEY" in json.dumps(o)]
    assert private == ["store-tls"]


def test_another_image_and_a_mirror(store):
    recorded = store(storeImage="quay.io/acme/minio:1")
    images = {pod(recorded)["containers"][0]["image"], pod_of_job(recorded)["containers"][0]["image"]}
    assert images == {"quay.io/acme/minio:1"}
    recorded = store(store="seaweedfs", imageMirror="mirror.acme.com/hub")
    for container in [*pod(recorded)["containers"], *pod_of_job(recorded)["containers"]]:
        assert container["image"].startswith("mirror.acme.com/hub/")


def pod_of_job(recorded):
    return recorded.find("Job", "store-setup")["spec"]["template"]["spec"]


@pytest.fixture
def options(monkeypatch):
    """The options of resources that have a special one, as they are declared."""
    from mlops_platform.components.kubernetes.cluster import Cluster

    seen, child = [], Cluster.child

    def spy(cluster, parent, **options):
        seen.append(options)
        return child(cluster, parent, **options)

    monkeypatch.setattr(Cluster, "child", spy)
    return lambda name: [value for options in seen if (value := options.get(name))]


@pytest.mark.parametrize(("size", "parts"), [("small", []), ("ha", ["image", "args", "env"])])
def test_what_pods_must_have_in_common_is_changed_in_all_of_them_at_once(store, options, size, parts):
    store(size=size)
    assert options("replace_on_changes") == [[f"spec.template.spec.containers[0].{part}" for part in parts]] * bool(
        parts
    )


def test_a_volume_never_gives_way_to_an_empty_one_because_a_setting_was_changed(store, options):
    store()
    assert ["spec.storageClassName"] in options("ignore_changes")
    assert ["spec.volumeClaimTemplates"] in options("ignore_changes")


EXTERNAL = {"store": "s3", "s3Endpoint": "https://s3.example.com", "s3Region": "eu-west-1", "dataBucket": "theirs"}


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.mark.usefixtures("keys")
def test_a_store_elsewhere_puts_nothing_into_the_cluster(store):
    recorded = store(**EXTERNAL)
    assert recorded.objects == []
    assert recorded.outputs == {
        "endpoint": "https://s3.example.com", "data": "theirs", "artifacts": "flights-prod-artifacts",
        "access_key": "AKID", "secret_key": "s3cret", "project": "AKID", "authority": "",
    }  # fmt: skip
    buckets = {r.inputs["bucket"]: r.inputs["existing"] for r in recorded.resources if "ExternalBucket" in r.typ}
    assert buckets == {"theirs": True, "flights-prod-artifacts": False}


def test_a_store_elsewhere_needs_its_keys(store, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(PlatformError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set"):
        store(**EXTERNAL)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({}, "minio"),
        ({"size": "standard"}, "minio"),
        ({"size": "ha"}, "minio in 4 pods"),
        ({"store": "seaweedfs"}, "seaweedfs"),
        ({"store": "seaweedfs", "size": "ha"}, "seaweedfs"),
    ],
)
def test_what_an_environment_stays_with(store, values, chosen):
    (choice,) = [r for r in store(**values).resources if r.name == "store-choice"]
    assert choice.inputs["value"] == chosen


def test_a_consumer_that_isnt_known_is_an_error(on_cluster, monkeypatch):
    from mlops_platform.components.kubernetes.store import ClusterStore, cluster_store

    monkeypatch.setattr(cluster_store, "Password", drawn.PASSWORD)
    with pytest.raises(KeyError, match="burglar"):
        on_cluster(lambda cluster: {"k": ClusterStore("s", cluster=cluster, namespace="n").keys("burglar")})
