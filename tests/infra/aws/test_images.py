import json
import re

import pytest
from tests.infra.aws.test_storage import before

from mlops_platform.components.aws.images import Images

KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"
# https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")


@pytest.fixture
def images(on_aws):
    def run(**config):
        def declare(account):
            made = Images("images", account=account, key_arn=KEY)
            return {"address": made.address, **dict(enumerate(made.repositories))}

        return on_aws(declare, **config)

    return run


def test_there_is_a_repository_for_what_ci_pushes_under_the_address(images):
    found = images()
    host, _, path = found.outputs["address"].partition("/")
    assert host == "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    names = [repository.inputs["name"] for repository in found.all("Repository")]
    assert sorted(names) == [f"{path}/flights/pipeline", f"{path}/flights/serving"]
    assert [found.outputs[0], found.outputs[1]] == sorted(names)


def test_a_project_without_a_service_has_no_image_of_it(images):
    assert [r.inputs["name"] for r in images(serving="false").all("Repository")] == ["flights-prod/flights/pipeline"]


def test_a_build_keeps_its_tag_for_ever_and_only_two_tags_move(images):
    for repository in images().all("Repository"):
        assert repository.inputs["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert repository.inputs["imageTagMutabilityExclusionFilters"] == [
            {"filter": "latest", "filterType": "WILDCARD"}, {"filter": "cache", "filterType": "WILDCARD"},
        ]  # fmt: skip


def test_images_are_scanned_and_encrypted_with_our_key(images):
    for repository in images().all("Repository"):
        assert repository.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert repository.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": KEY}]
        # What arrives between emptying and deleting doesn't stop the deletion of what isn't protected.
        assert repository.inputs["forceDelete"]


def test_no_rule_deletes_anything_that_has_a_tag(images):
    found = images()
    assert len(found.all("LifecyclePolicy")) == 2
    for policy in found.all("LifecyclePolicy"):
        (rule,) = json.loads(policy.inputs["policy"])["rules"]
        assert rule["selection"] == {
            "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
        }  # fmt: skip


@pytest.mark.parametrize("protect", [True, False])
def test_images_are_protected_with_their_environment(images, protect):
    found = images(protect=str(protect).lower())
    for type_ in ("Repository", "RepositoryContents"):
        assert [resource.protect for resource in found.all(type_)] == [protect] * 2
    assert {contents.protect for contents in found.all("RepositoryContents")} == {protect}


def test_contents_go_before_their_repository_and_after_who_pushes_there(images):
    found = images()
    for target in ("pipeline", "serving"):
        contents = found.find("RepositoryContents", target)
        assert found.find("Repository", target).urn in before(found, contents)
        # Who is told the name of the repository is told it by this.
        assert contents.urn in before(found, found.find("LifecyclePolicy", target))


def test_names_follow_ecrs_rules_whatever_the_project_is_called(images):
    names = []
    for project, stack in (("p" * 40, "s" * 20), ("flights", "a-stack-of--many"), ("flights", "v2")):
        names += [r.inputs["name"] for r in images(project=project, stack=stack).all("Repository")]
    assert len(set(names)) == 6
    assert all(NAME.fullmatch(name) and len(name) <= 256 for name in names)
