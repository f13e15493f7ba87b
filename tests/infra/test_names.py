import re

import pytest

from mlops_platform.names import bucket_name

VALID = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


def test_a_short_name_is_as_it_reads():
    assert bucket_name("flight-delays", "dev", "data") == "flight-delays-dev-data"


@pytest.mark.parametrize(
    ("project", "stack"),
    [("a", "b"), ("a" * 40, "b" * 20), ("a" * 53 + "-b", "dev"), ("flights", "My_Stack.2"), ("x" * 40, "y" * 100)],
)
@pytest.mark.parametrize("purpose", ["data", "artifacts"])
def test_every_name_is_valid_for_s3(project, stack, purpose):
    assert VALID.fullmatch(bucket_name(project, stack, purpose))


def test_long_names_that_differ_at_the_end_stay_different():
    names = {bucket_name("p" * 40, "s" * 30 + end, purpose) for end in "ab" for purpose in ("data", "artifacts")}
    assert len(names) == 4
    assert {len(name) for name in names} == {63}


def test_the_generator_follows_the_same_rule():
    naming = pytest.importorskip("seedbed.naming", reason="seedbed itself is not installed here")
    for slug in ("flight-delays", "a", "s" * 40):
        for environment in ("dev", "e", "long-environment-nam"):
            for purpose in ("data", "artifacts"):
                assert naming.bucket_name(slug, environment, purpose) == bucket_name(slug, environment, purpose)
