import pulumi
import pytest
from tests.infra.kubernetes.stores import environment

from mlops_platform.components.kubernetes import images


@pytest.fixture
def declared(on_cluster):
    def run(opts=None, **values):
        def declare(cluster):
            from mlops_platform.components.kubernetes.database import Database

            made = Database("database", cluster=cluster, namespace="flights-prod", opts=opts)
            return {"address": made.address, "secret": made.secret}

        return on_cluster(declare, **values)

    return run


def server(recorded):
    return recorded.find("StatefulSet")["spec"]["template"]["spec"]


def container(recorded):
    return server(recorded)["containers"][0]


def test_its_address_names_the_account_and_no_password(declared):
    recorded = declared()
    assert recorded.outputs == {
        "address": "postgresql://mlflow@database.flights-prod.svc:5432/mlflow",
        "secret": "database",
    }


def test_the_superusers_password_and_the_tracking_servers_are_two_generated_ones(declared):
    made = [r.name for r in declared().resources if r.typ == "pulumi-python:dynamic/mlops:Password"]
    assert sorted(made) == ["database-superuser", "database-tracking"]


def test_each_password_is_in_the_file_that_is_read_for_it(declared, monkeypatch):
    from mlops_platform.components.kubernetes import database

    class Drawn:
        def __init__(self, name, **_):
            self.value = f"value of {name}"

    monkeypatch.setattr(database, "Password", Drawn)
    recorded = declared()
    files = recorded.find("Secret", "database")["stringData"]
    assert files["superuser"] == "value of database-superuser"
    assert files[database.TRACKING_KEY] == "value of database-tracking"
    assert "value of" not in str([o for o in recorded.objects if o["kind"] != "Secret"])


def test_generated_passwords_are_long_and_never_the_same():
    from mlops_platform.resources.password import PasswordProvider

    drawn = {PasswordProvider().create({}).outs["value"] for _ in range(100)}
    assert len(drawn) == 100
    assert min(map(len, drawn)) >= 32


def test_a_password_stays_what_it_is():
    from mlops_platform.resources.password import PasswordProvider

    assert not PasswordProvider().diff("password", {"value": "old"}, {}).changes


def test_passwords_reach_the_server_as_files(declared):
    recorded = declared()
    variables = environment(container(recorded))
    assert variables["POSTGRES_PASSWORD_FILE"] == "/etc/database/superuser"
    assert "POSTGRES_PASSWORD" not in variables
    mounts = {mount["mountPath"]: mount["name"] for mount in container(recorded)["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in server(recorded)["volumes"]}
    assert volumes[mounts["/etc/database"]]["secret"]["secretName"] == "database"
    assert "cat /etc/database/tracking" in recorded.find("ConfigMap")["data"]["tracking.sql"]


def test_no_connection_is_trusted_without_a_password(declared):
    assert "--auth=scram-sha-256" in environment(container(declared()))["POSTGRES_INITDB_ARGS"]


def test_it_writes_to_its_volume_and_to_what_is_mounted_only(declared):
    recorded = declared()
    assert container(recorded)["securityContext"]["readOnlyRootFilesystem"] is True
    written = {mount["mountPath"] for mount in container(recorded)["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/var/lib/postgresql/data", "/var/run/postgresql", "/tmp"}  # noqa: S108
    assert environment(container(recorded))["PGDATA"].startswith("/var/lib/postgresql/data/")


def test_it_runs_as_the_images_own_account(declared):
    context = server(declared())["securityContext"]
    assert (context["runAsUser"], context["fsGroup"], context["runAsNonRoot"]) == (70, 70, True)


def test_it_is_ready_only_when_it_answers_over_the_network(declared):
    """The server that the image runs while it fills the volume listens on a socket only."""
    for probe in ("startupProbe", "readinessProbe"):
        command = container(declared())[probe]["exec"]["command"]
        assert command[0] == "pg_isready"
        assert "--host=127.0.0.1" in command


def test_it_has_time_to_start_and_to_stop(declared):
    recorded = declared()
    probe = container(recorded)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300
    assert server(recorded)["terminationGracePeriodSeconds"] >= 60


@pytest.mark.parametrize(("size", "buffers"), [("small", "64MB"), ("standard", "256MB"), ("ha", "512MB")])
def test_its_buffers_are_a_quarter_of_its_memory(declared, size, buffers):
    assert f"shared_buffers={buffers}" in container(declared(size=size))["args"]


@pytest.mark.parametrize(("given", "expected"), [({}, None), ({"storageClass": "fast"}, "fast")])
def test_its_volume_is_of_the_class_that_the_settings_name(declared, given, expected):
    recorded = declared(size="standard", **given)
    claim = recorded.find("StatefulSet")["spec"]["volumeClaimTemplates"][0]
    assert claim["spec"].get("storageClassName") == expected
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    # Leftovers are looked for by label, and the claim outlives the StatefulSet.
    assert claim["metadata"]["labels"]["seedbed/environment"] == "flights.prod"


def test_another_size_never_replaces_the_server(declared):
    """Kubernetes refuses to change a claim's template, and Pulumi would make the StatefulSet anew, with the same volume."""
    ignored = {}

    def look(made):
        ignored[made.type_] = made.opts.ignore_changes

    declared(opts=pulumi.ResourceOptions(transformations=[look]))
    assert ignored["kubernetes:apps/v1:StatefulSet"] == ["spec.volumeClaimTemplates"]


def test_another_major_version_is_refused_while_there_are_data(declared):
    """PostgreSQL refuses the files of another one, and `up` would find out when the old server is gone."""
    from mlops_platform.errors import PlatformError
    from mlops_platform.resources.lasting_choice import LastingChoiceProvider

    (choice,) = [r.inputs for r in declared().resources if r.name == "database-version"]
    assert images.IMAGES["postgres"].partition(":")[2].startswith(f"{choice['value']}.")
    with pytest.raises(PlatformError, match="major version of the database is 16"):
        LastingChoiceProvider().diff("choice", {**choice, "value": "16"}, choice)
