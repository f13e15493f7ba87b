"""An environment that an earlier version made is brought to this one in place: nothing that holds data is exchanged.

`previous/` has what a released version declares, taken at its release with `SEEDBED_TAKE_PREVIOUS=1`; before the first
release, what the program declared when this test was written.
"""

import json
import os
from pathlib import Path

import pytest
from tests.cluster import platform
from tests.cluster.api import ApiError
from tests.cluster.test_manifests import MANAGER, SECONDS, Applied

PREVIOUS = Path(__file__).with_name("previous")
# Names and node ports of their own: all cases share one cluster.
CASES = {
    "small": {"project": "upgrade", "registryPort": "30521"},
    "ha": {"project": "upgrade-ha", "registryPort": "30523"},
}
# What may be made anew: a Job that is done holds nothing.
EXCHANGED = {"Job"}


def declared(record, configured, case):
    return platform.declared(record, configured, case, **CASES[case]).objects


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.mark.skipif(not os.environ.get("SEEDBED_TAKE_PREVIOUS"), reason="only when a version is released")
def test_take_what_this_version_declares(record, configured, case):
    PREVIOUS.mkdir(exist_ok=True)
    # In the order in which they are made.
    lines = [json.dumps(o, sort_keys=True, ensure_ascii=False) for o in declared(record, configured, case)]
    (PREVIOUS / f"{case}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_an_environment_of_the_previous_version_becomes_one_of_this(record, configured, cluster, case):
    api = cluster.api
    lines = (PREVIOUS / f"{case}.jsonl").read_text(encoding="utf-8").splitlines()
    # Of earlier images, so that something is rolled in any case.
    before = [json.loads(line.replace(":v3.", ":v2.").replace("17.11-alpine", "17.1-alpine")) for line in lines]
    after = declared(record, configured, case)
    environment = Applied(api, after, f"seedbed/environment={CASES[case]['project']}.prod")
    try:
        for manifest in before:
            api.apply(manifest, manager=MANAGER)
        environment.wait_until_ready(before)
        known = {key(o): api.get_path(api.path_of(o))["metadata"]["uid"] for o in before if o["kind"] not in EXCHANGED}
        for manifest in after:
            try:
                api.apply(manifest, manager=MANAGER)
            except ApiError as error:
                assert manifest["kind"] in EXCHANGED, f"{key(manifest)} can't be changed in place: {error}"
                api.delete(api.path_of(manifest), seconds=SECONDS)
                api.apply(manifest, manager=MANAGER)
        environment.wait_until_ready(after)
        assert environment.refused() == []
        assert api.warnings == []
        same = {key(o): api.get_path(api.path_of(o))["metadata"]["uid"] for o in after if key(o) in known}
        assert {name: known[name] for name in same} == same
        # What this version has no more would be deleted; volumes never are, by a change of version.
        gone = {name for name in known if name not in same}
        assert not {name for name in gone if name[0] in {"Namespace", "PersistentVolumeClaim", "StatefulSet"}}
    finally:
        for manifest in [*after, *before]:
            if manifest["kind"] == "Namespace":
                api.delete(api.path_of(manifest), seconds=SECONDS)


def key(manifest):
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
