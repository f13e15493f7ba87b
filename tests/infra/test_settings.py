from pathlib import Path

import pytest

from mlops_platform import settings
from mlops_platform.errors import PlatformError


def load(directory, **values):
    return settings.load(values.get, stack="dev", directory=directory)


def test_defaults(tmp_path):
    loaded = load(tmp_path / "infra")
    assert loaded == settings.Settings(
        stack="dev", target="local", project="mlops", home=tmp_path / ".seedbed/environments/dev",
        store=settings.StoreSettings(kind="seaweedfs"), tracking=True, mlflow_port=0, registry_port=0,
    )  # fmt: skip


def test_a_store_elsewhere_is_aws_unless_it_has_an_address(tmp_path):
    assert load(tmp_path / "infra", store="s3").store == settings.StoreSettings(kind="s3", region="us-east-1")
    values = {"s3Endpoint": "https://[::1]:9000/", "s3Region": "eu-west-1", "dataBucket": "acme.data"}
    assert load(tmp_path / "infra", store="s3", **values).store == settings.StoreSettings(
        kind="s3", endpoint="https://[::1]:9000", region="eu-west-1", data_bucket="acme.data"
    )


def test_a_relative_home_belongs_to_the_program_and_not_to_the_current_folder(tmp_path):
    assert load(tmp_path / "infra", home="../elsewhere").home == tmp_path / "elsewhere"


def test_an_absolute_home_is_taken_as_it_is(tmp_path):
    assert load(tmp_path / "infra", home=str(tmp_path / "disk")).home == tmp_path / "disk"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"target": "locl"},
            "target = 'locl' is not one of: local, kubernetes, aws\nWhat to do: .* pulumi config set target local$",
        ),
        ({"project": "Flight Delays"}, "project = 'Flight Delays' must be 1 to 40 lower-case"),
        ({"project": "a" * 41}, "must be 1 to 40"),
        ({"tracking": "no"}, "tracking = 'no' is not one of: true, false"),
        ({"s3Port": "80"}, "s3Port = '80' must be 1024 to 65535, or 0"),
        ({"s3Port": "-1"}, "s3Port = '-1'"),
        ({"mlflowPort": "five"}, "mlflowPort = 'five'"),
        ({"mlflowPort": "65536"}, "mlflowPort = '65536'"),
        ({"s3Port": "9000", "mlflowPort": "9000"}, "mlflowPort = '9000' is s3Port too"),
        ({"mlflowPort": "9000", "registryPort": "9000"}, "registryPort = '9000' is mlflowPort too"),
        ({"store": "minioo"}, "store = 'minioo' is not one of: seaweedfs, minio, s3\nWhat to do: .* store minio$"),
        ({"s3Region": "eu"}, "s3Region = 'eu' is about a store elsewhere, and store is seaweedfs"),
        (
            {"store": "minio", "dataBucket": "acme"},
            "dataBucket = 'acme' is about a store elsewhere, and store is minio",
        ),
        ({"store": "s3", "s3Port": "9000"}, "s3Port = '9000' is the port of a store on this machine, and store is s3"),
        ({"store": "s3", "dataBucket": "Acme"}, "dataBucket = 'Acme' must be the name of a bucket"),
        ({"store": "s3", "artifactBucket": "s3://acme"}, "artifactBucket = 's3://acme' must be the name of a bucket"),
        ({"store": "s3", "s3Region": "EU West"}, "s3Region = 'EU West' is not the name of a region"),
        ({"store": "s3", "s3Endpoint": "s3.example.com"}, "s3Endpoint = 's3.example.com' must be http:// or https://"),
        ({"store": "s3", "s3Endpoint": "https://me:hush@host"}, "must be http:// or https:// with a host"),
        ({"store": "s3", "s3Endpoint": "https://host/bucket"}, "must be http:// or https:// with a host"),
        ({"store": "s3", "s3Endpoint": "https://host:port"}, "must be http:// or https:// with a host"),
        ({"store": "s3", "s3Endpoint": "https://"}, "must be http:// or https:// with a host"),
        ({"home": "/"}, "home = '/' holds more than one environment's files"),
        ({"home": "."}, "home = '.' holds more than"),
        ({"home": ".."}, "home = '..' holds more than"),
        ({"home": "HOME"}, "holds more than one"),
    ],
)
def test_a_bad_value_is_refused_with_a_way_out(tmp_path, values, message):
    values = {key: str(Path.home()) if value == "HOME" else value for key, value in values.items()}
    with pytest.raises(PlatformError, match=message):
        load(tmp_path / "infra", **values)


def test_pulumi_yaml_describes_every_key_with_the_default_that_the_program_has(tmp_path):
    import yaml

    declared = yaml.safe_load((Path(settings.__file__).parents[2] / "Pulumi.yaml").read_text())["config"]
    asked = set()

    def get(key):
        asked.add(key)
        default = declared[key]["default"]
        return str(default).lower() if isinstance(default, bool) else str(default)  # as Pulumi writes it

    assert settings.load(get, stack="dev", directory=tmp_path / "infra") == load(tmp_path / "infra")
    targets = (
        {"target": "kubernetes", "context": "kind"},
        {"target": "aws", "account": "123456789012", "region": "eu-west-1"},
    )
    for given in targets:
        with_defaults = settings.load(
            lambda key, given=given: given.get(key) or get(key), stack="dev", directory=tmp_path / "infra"
        )
        assert with_defaults == load(tmp_path / "infra", **given)
    assert set(declared) == asked.union(*targets)
    assert all(entry["description"] for entry in declared.values())


@pytest.mark.parametrize("stack", ["Prod", "prod_eu", "a" * 21, "1", "prod-", "prod.eu"])
def test_a_stack_whose_name_can_t_be_part_of_others_is_refused(tmp_path, stack):
    with pytest.raises(PlatformError, match="must be 1 to 20 lower-case(?s:.*)pulumi stack init"):
        settings.load({}.get, stack=stack, directory=tmp_path / "infra")


def test_a_stack_on_aws_doesn_t_take_the_name_of_the_shared_state(tmp_path):
    assert settings.load({}.get, stack="state", directory=tmp_path / "infra").stack == "state"
    with pytest.raises(PlatformError, match="shared state"):
        settings.load(AWS.get, stack="state", directory=tmp_path / "infra")


ADMIN = "arn:aws:iam::123456789012:role/ops"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/8f3b6c1e-1d2a-4c55-9d3e-0a1b2c3d4e5f"
AWS = {"target": "aws", "account": "123456789012", "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"account": ""}, "account = '' must be the account's 12 digits"),
        ({"account": "12345"}, "account = '12345' must be the account's 12 digits"),
        ({"region": ""}, "region = '' must be the name of a region"),
        ({"region": "Ireland"}, "region = 'Ireland' must be the name of a region"),
        ({"variant": "light"}, "variant = 'light' is not one of: platform, lite, storage, registry"),
        ({"context": "kind"}, "context = 'kind' names a cluster, and the environment makes its own"),
        (
            {"repository": "github.com/acme/flights"},
            r"(?s)numbers of github.com/acme/flights.*repository-ids acme/flights",
        ),
        ({"repository": "github.com/acme", "repositoryIds": "1/2"}, "repository = 'github.com/acme' must be"),
        ({"repository": "github.com/a/b/c", "repositoryIds": "1/2"}, "is not OWNER/REPOSITORY on GitHub"),
        ({"repository": "gitlab.com/a/b", "repositoryIds": "1/2"}, "is about a repository on GitHub"),
        ({"repository": "github.com/a/b", "repositoryIds": "1"}, "must be two numbers, OWNER/REPOSITORY, or none"),
        ({"apiNetworks": "10.0.0.1/8"}, "is not a list of networks"),
        ({"networkCidr": "10.0.0.0/24"}, "networkCidr = '10.0.0.0/24' must be a network of private addresses, of /16"),
        ({"networkCidr": "10.0.0.0/8"}, "must be a network of private addresses, of /16 to /20"),
        ({"networkCidr": "8.8.0.0/16"}, "must be a network of private addresses"),
        ({"networkCidr": "10.0.0.1/16"}, "has host bits set"),
        ({"networkCidr": "172.20.0.0/16"}, "overlaps 172.20.0.0/16, which the cluster's Services have"),
        ({"networkCidr": "10.1.0.0/16", "variant": "lite"}, "is about a cluster, and variant lite has none"),
        ({"clusterAdmins": "ada"}, "clusterAdmins = 'ada' must be ARNs of IAM roles or users in aws,"),
        (
            {"clusterAdmins": f"{ADMIN},arn:aws:sts::123456789012:assumed-role/ops/ada"},
            "assumed-role/ops/ada' must be ARNs",
        ),
        ({"clusterAdmins": ADMIN.replace("aws", "aws-cn")}, "must be ARNs of IAM roles or users in aws,"),
        ({"clusterAdmins": ADMIN, "region": "us-gov-west-1"}, "must be ARNs of IAM roles or users in aws-us-gov,"),
        ({"clusterAdmins": ADMIN, "variant": "lite"}, "is about a cluster, and variant lite has none"),
        ({"certificate": CERTIFICATE, "variant": "storage"}, "is about a cluster, and variant storage has none"),
        ({"certificate": CERTIFICATE}, "is for the names under a domain, and there is none"),
        (
            {"certificate": CERTIFICATE, "domain": "a.cd", "ingressClass": "nginx"},
            "ingressClass names another controller",
        ),
        (
            {"certificate": CERTIFICATE, "domain": "a.cd", "region": "eu-west-2"},
            "the environment's own account and region",
        ),
        ({"certificate": "mine", "domain": "a.cd"}, "certificate = 'mine' must be the ARN of a certificate in ACM"),
        ({"domain": "a.cd"}, r"(?s)needed with domain = 'a.cd'.*request-certificate --domain-name '\*\.a\.cd'"),
        ({"domain": "a.cd", "clusterIssuer": "acme"}, "load balancers take theirs from ACM only"),
        ({"budget": "200"}, "budgetEmail = '' is needed with budget"),
        ({"budget": "9.5", "budgetEmail": "a@b.cd"}, "budget = '9.5' must be whole US dollars a month"),
        ({"budget": "5", "budgetEmail": "me"}, "budgetEmail = 'me' is not an address"),
    ],
)
def test_what_aws_can_t_take_is_refused_with_a_way_out(tmp_path, values, message):
    with pytest.raises(PlatformError, match=message) as refusal:
        load(tmp_path / "infra", **{key: value for key, value in {**AWS, **values}.items() if value})
    assert "pulumi config set" in str(refusal.value)


def test_who_administers_a_cluster_on_aws_is_a_list_without_repetitions(tmp_path):
    gov = {**AWS, "region": "us-gov-west-1"}
    arns = tuple(f"arn:aws-us-gov:iam::123456789012:{who}" for who in ("role/a/b/ops", "user/ada@example.com"))
    found = load(tmp_path / "infra", **gov, clusterAdmins=f" {arns[0]},{arns[1]} , {arns[0]},").aws
    assert found.cluster_admins == arns


def test_only_the_whole_platform_has_a_cluster_on_aws(tmp_path):
    found = {v: load(tmp_path / "infra", **AWS, variant=v) for v in ("platform", "lite", "storage", "registry")}
    assert [v for v, chosen in found.items() if chosen.kubernetes is not None] == ["platform"]
    assert {chosen.store.kind for chosen in found.values()} == {"s3"}
    assert {chosen.store.region for chosen in found.values()} == {"eu-west-1"}
