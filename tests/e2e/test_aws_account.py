"""An environment in a real account of AWS, from `new` to `down`. It costs money, so it runs only where it is asked for:

    SEEDBED_TEST_AWS_ACCOUNT=123456789012 SEEDBED_TEST_AWS_REGION=eu-west-1 make test-aws-account

with credentials of that account in the usual places. SEEDBED_TEST_AWS_VARIANT is the environment's variant (lite), and
SEEDBED_TEST_AWS_USD what four hours of it may cost at most (1): where the estimate is not below that, nothing is made.
The region is one of those with budgets in US dollars: not in China, nor in GovCloud.
"""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from tests.e2e import aws_server
from tests.e2e.aws_life import DOWN_MINUTES, ENVIRONMENT, NAMES, Life, RefusedError, Wanted

# Read before any test moves the home folder and clears such variables.
_GIVEN, _HOME = dict(os.environ), Path.home()
WANTED = Wanted.of(_GIVEN)
MISSING = f"needs an account of AWS, and costs money: {' and '.join(NAMES)} say which account"


@pytest.fixture
def person(monkeypatch):
    """The person's own way to AWS, and what they have downloaded already; all else is as in every test."""
    for name, value in _GIVEN.items():
        if name.startswith("AWS_") and not name.startswith("AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("PULUMI_HOME", _GIVEN.get("PULUMI_HOME", str(_HOME / ".pulumi")))
    if (_HOME / ".aws").is_dir():
        Path(os.environ["HOME"], ".aws").symlink_to(_HOME / ".aws")


@pytest.mark.aws_account
@pytest.mark.skipif(WANTED is None, reason=MISSING)
def test_an_environment_lives_in_a_real_account_and_leaves_nothing(person, tmp_path):
    def seedbed(*arguments):
        command = [sys.executable, "-m", "seedbed", *map(str, arguments), "--json"]
        folder = life.root if life.root.is_dir() else tmp_path
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            timeout=(DOWN_MINUTES + 15) * 60,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"`seedbed {arguments[0]}` in {folder}, which has the state of what is left: {done.stdout}{done.stderr}"
        )
        return json.loads(done.stdout)

    life = Life(WANTED, tmp_path, seedbed)
    life.run()


# From here on nothing needs an account: that it can't run, or go on, by mistake.


@pytest.fixture
def answering(tmp_path, monkeypatch):
    """A life whose command line answers as it is told, and whose account is empty; and what was asked of it."""

    def make(limit="1", **answers):
        asked = []

        def seedbed(verb, *_):
            asked.append(verb)
            answer = answers.get(verb, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        life = Life(Wanted("123456789012", "eu-west-1", limit=Decimal(limit)), tmp_path, seedbed)
        monkeypatch.setattr(Life, "_tagged", lambda _: [])
        return life, asked

    return make


@pytest.mark.parametrize("total", ["1", "250"])
def test_what_costs_the_limit_or_more_is_refused_before_anything_is_made(answering, total):
    life, asked = answering(cost={"total": float(total), "not_priced": {}})
    with pytest.raises(RefusedError, match="SEEDBED_TEST_AWS_USD"):
        life.run()
    assert asked == ["new", "cost"]


def test_what_nobody_knows_the_price_of_is_refused_too(answering):
    life, asked = answering(cost={"total": 0.0, "not_priced": {"aws:x/y:Z": 1}})
    with pytest.raises(RefusedError, match="aws:x/y:Z"):
        life.run()
    assert asked == ["new", "cost"]


def test_whatever_fails_it_is_taken_down(answering):
    cost, preview = {"total": 0.5, "not_priced": {}}, {"changes": {"create": 3}}
    life, asked = answering(cost=cost, preview=preview, up=KeyError("halfway"))
    with pytest.raises(KeyError, match="halfway"):
        life.run()
    assert asked == ["new", "cost", "preview", "up", "down"]


def test_what_it_fills_is_what_down_has_to_empty_and_is_found_by_its_tag(tmp_path, monkeypatch):
    with aws_server.serving() as aws:
        for name, value in aws.variables.items():
            monkeypatch.setenv(name, value)
        wanted = Wanted(aws_server.ACCOUNT, aws_server.REGION)
        life = Life(wanted, tmp_path, lambda *_: {"variables": {"DATA_BUCKET": "acme-data", "REGISTRY": "x"}})
        s3, kms, ecr = aws.client("s3"), aws.client("kms"), aws.client("ecr")
        tags = {"seedbed:environment": f"{life.slug}.{ENVIRONMENT}"}
        s3.create_bucket(Bucket="acme-data", CreateBucketConfiguration={"LocationConstraint": aws_server.REGION})
        s3.put_bucket_versioning(Bucket="acme-data", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_tagging(
            Bucket="acme-data", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
        )
        key = kms.create_key(Tags=[{"TagKey": k, "TagValue": value} for k, value in tags.items()])["KeyMetadata"]
        ours, other = f"{life.slug}-{ENVIRONMENT}/service", "of-another-project"
        for repository in (ours, other):
            ecr.create_repository(repositoryName=repository)
        life._fill()
        assert [len(ecr.list_images(repositoryName=name)["imageIds"]) for name in (ours, other)] == [1, 0]
        there = s3.list_object_versions(Bucket="acme-data")
        assert (len(there["Versions"]), len(there["DeleteMarkers"])) == (2, 1)
        assert len(s3.list_multipart_uploads(Bucket="acme-data")["Uploads"]) == 1
        assert life._tagged() == [key["Arn"], "arn:aws:s3:::acme-data"]
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
        assert life._tagged() == ["arn:aws:s3:::acme-data"]


@pytest.mark.parametrize("variant", ["lite", "platform"])
def test_the_real_estimate_is_what_counts(seedbed, tmp_path, variant):
    """By the command line itself: without an account or a network, a limit of a tenth of a cent is too little."""

    def ask(*arguments):
        done = seedbed(*arguments, "--json", cwd=life.root if life.root.is_dir() else tmp_path)
        assert done.code == 0, done.out + done.err
        return done.json

    life = Life(Wanted("123456789012", "eu-west-1", variant, Decimal("0.001")), tmp_path, ask)
    with pytest.raises(RefusedError, match=f"4 hours of variant {variant} cost about"):
        life.run()
    assert not (life.root / ".seedbed/state").exists()
    life._set_a_budget()
    assert ask("cost", ENVIRONMENT)["budget"] == 5


def test_it_runs_only_for_an_account_and_a_region():
    given = {"SEEDBED_TEST_AWS_ACCOUNT": "123456789012", "SEEDBED_TEST_AWS_REGION": "eu-west-1"}
    assert [Wanted.of({}), *(Wanted.of({name: given[name]}) for name in NAMES)] == [None] * 3
    assert Wanted.of(given) == Wanted("123456789012", "eu-west-1", "lite", Decimal(1))
    more = {"SEEDBED_TEST_AWS_VARIANT": "storage", "SEEDBED_TEST_AWS_USD": "0.5"}
    assert Wanted.of({**given, **more}) == Wanted("123456789012", "eu-west-1", "storage", Decimal("0.5"))
