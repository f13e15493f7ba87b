import itertools
import json

import pytest
from pulumi.runtime import mocks

from mlops_platform.components.aws.images import Images
from mlops_platform.components.aws.key import Key
from mlops_platform.components.aws.storage import Storage

KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"
DATA, ARTIFACTS, LOGS = (f"flights-prod-{purpose}-123456789012" for purpose in ("data", "artifacts", "logs"))
SETTINGS = (
    "BucketOwnershipControls", "BucketPublicAccessBlock", "BucketVersioning",
    "BucketServerSideEncryptionConfiguration", "BucketLifecycleConfiguration", "BucketPolicy",
)  # fmt: skip


@pytest.fixture
def goes_with(monkeypatch):
    """Type and name of a resource → URN of the one whose deletion spares its own."""
    found = {}
    register = mocks.MockMonitor.RegisterResource

    def kept(monitor, request):
        found[request.type.rpartition("/")[2].rpartition(":")[2], request.name] = request.deletedWith
        return register(monitor, request)

    monkeypatch.setattr(mocks.MockMonitor, "RegisterResource", kept)
    return found


@pytest.fixture
def storage(on_aws):
    def run(**config):
        def declare(account):
            made = Storage("storage", account=account, key_arn=KEY)
            return {
                "data": made.data_bucket, "artifacts": made.artifact_bucket, "logs": made.log_bucket,
                "endpoint": made.endpoint, "region": made.region, "access_key": made.access_key,
                "secret_key": made.secret_key, "variables": made.client_variables,
            }  # fmt: skip

        return on_aws(declare, **config)

    return run


def statements(found, name):
    return {s["Sid"]: s for s in json.loads(found.find("BucketPolicy", name).inputs["policy"])["Statement"]}


def before(found, resource):
    """All that comes before a resource, and goes after it."""
    by_urn = {r.urn: r for r in found.resources}
    todo, seen = list(resource.dependencies), set()
    while todo:
        if (urn := todo.pop()) not in seen:
            seen.add(urn)
            todo += by_urn[urn].dependencies if urn in by_urn else ()
    return seen


def test_it_is_a_store_without_keys(storage):
    assert storage().outputs == {
        "data": DATA, "artifacts": ARTIFACTS, "logs": LOGS, "endpoint": "", "region": "eu-west-1", "access_key": "",
        "secret_key": "", "variables": {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["data", "artifacts", "logs"])
def test_nothing_is_public(storage, name):
    found = storage()
    access = found.find("BucketPublicAccessBlock", name).inputs
    assert {value for key, value in access.items() if key != "bucket"} == {True}
    assert len(access) == 5
    assert found.find("BucketOwnershipControls", name).inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    tls = statements(found, name)["OnlyByTls"]
    bucket = f"arn:aws:s3:::{found.find('Bucket', name).inputs['bucket']}"
    assert tls["Resource"] == [bucket, f"{bucket}/*"]
    assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_data_is_encrypted_with_our_key_and_logs_with_the_only_one_that_delivery_knows(storage):
    found = storage()
    for name in ("data", "artifacts"):
        (rule,) = found.find("BucketServerSideEncryptionConfiguration", name).inputs["rules"]
        assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
        assert rule["bucketKeyEnabled"] is True
    (rule,) = found.find("BucketServerSideEncryptionConfiguration", "logs").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}


def test_current_data_never_expires_and_old_versions_do(storage):
    found = storage()
    for name, days in (("data", 90), ("artifacts", 30)):
        versioning = found.find("BucketVersioning", name).inputs["versioningConfiguration"]
        assert versioning == {"status": "Enabled"}
        rules = found.find("BucketLifecycleConfiguration", name).inputs["rules"]
        assert {rule["status"] for rule in rules} == {"Enabled"}
        assert [r["noncurrentVersionExpiration"] for r in rules if "noncurrentVersionExpiration" in r] == [
            {"noncurrentDays": days}
        ]
        assert [r["expiration"] for r in rules if "expiration" in r] == [{"expiredObjectDeleteMarker": True}]
        assert any(r.get("abortIncompleteMultipartUpload") == {"daysAfterInitiation": 7} for r in rules)
    expirations = [r.get("expiration") for r in found.find("BucketLifecycleConfiguration", "logs").inputs["rules"]]
    assert {"days": 90} in expirations


def test_accesses_are_logged_and_nobody_else_may_deliver(storage):
    found = storage()
    for name in ("data", "artifacts"):
        logging = found.find("BucketLogging", name).inputs
        assert (logging["targetBucket"], logging["targetPrefix"]) == (LOGS, f"{name}/")
    delivery = {sid: s for sid, s in statements(found, "logs").items() if s["Effect"] == "Allow"}
    assert len(delivery) == 2
    for (name, bucket), statement in zip(
        {"artifacts": ARTIFACTS, "data": DATA}.items(), sorted(delivery.values(), key=lambda s: s["Sid"]), strict=True
    ):
        assert statement["Principal"] == {"Service": "logging.s3.amazonaws.com"}
        assert statement["Action"] == "s3:PutObject"
        assert statement["Resource"] == f"arn:aws:s3:::{LOGS}/{name}/*"
        assert statement["Condition"] == {
            "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": "123456789012"},
        }


@pytest.mark.parametrize("name", ["data", "artifacts", "logs"])
def test_settings_of_a_bucket_come_one_after_another_and_its_contents_go_after_its_users(storage, name):
    found = storage()
    chain = ["Bucket", "BucketContents", *SETTINGS, *(("BucketLogging",) if name != "logs" else ())]
    resources = [found.find(type_, name) for type_ in chain]
    for earlier, later in itertools.pairwise(resources):
        assert earlier.urn in before(found, later), later.type
    if name != "logs":  # S3 may deliver before anything is logged
        assert found.find("BucketPolicy", "logs").urn in before(found, resources[-1])


def test_settings_go_with_their_bucket_but_delivery_ends_before_the_logs_are_emptied(storage, goes_with):
    found = storage()
    for name in ("data", "artifacts", "logs"):
        bucket = found.find("Bucket", name).urn
        for setting in SETTINGS:
            expected = "" if (setting, name) == ("BucketPolicy", "logs") else bucket
            assert goes_with[setting, name] == expected, (setting, name)
        assert goes_with["BucketContents", name] == ""


@pytest.mark.parametrize("protect", [True, False])
def test_what_holds_data_is_protected_with_its_environment(storage, protect):
    found = storage(protect=str(protect).lower())
    for type_ in ("Bucket", "BucketContents"):
        assert [resource.protect for resource in found.all(type_)] == [protect] * 3
    assert {contents.protect for contents in found.all("BucketContents")} == {protect}
    # What arrives between emptying and deleting doesn't stop the deletion of what isn't protected.
    assert all(bucket.inputs["forceDestroy"] for bucket in found.all("Bucket"))


def test_contents_know_whose_they_are(storage):
    for contents in storage().all("BucketContents"):
        assert contents.inputs["account"] == "123456789012"
        assert contents.inputs["region"] == "eu-west-1"
        assert contents.inputs["environment"] == "flights.prod"


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_other_parts_of_aws_have_their_own_names(on_aws, region, partition):
    def declare(account):
        key = Key("key", account=account)
        Storage("storage", account=account, key_arn=key.arn)
        return {"address": Images("images", account=account, key_arn=key.arn).address}

    found = on_aws(declare, region=region)
    (key,) = (r for r in found.all("Key") if r.custom)
    policies = [key.inputs["policy"], *(r.inputs["policy"] for r in found.all("BucketPolicy"))]
    assert len(policies) == 4
    assert not any("arn:aws:" in policy for policy in policies)
    assert all(f"arn:{partition}:" in policy for policy in policies)
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    assert found.outputs["address"] == f"123456789012.dkr.ecr.{region}.{suffix}/flights-prod"
    assert f"logs.{region}.{suffix}" in key.inputs["policy"]


def test_names_fit_and_differ_whatever_the_project_is_called(storage):
    found = {}
    for project in ("p" * 40, "p" * 39 + "q"):
        for stack in ("s" * 20, "a-stack-of-many"):
            recorded = storage(project=project, stack=stack)
            found[project, stack] = [bucket.inputs["bucket"] for bucket in recorded.all("Bucket")]
    names = [name for several in found.values() for name in several]
    assert len(set(names)) == 12
    assert all(3 <= len(name) <= 63 and name.replace("-", "").isalnum() and name == name.lower() for name in names)
