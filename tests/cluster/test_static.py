"""What can be said of the manifests without a cluster: schemas of three Kubernetes versions, and a security scanner."""

import kubernetes_validate
import pytest
from tests.cluster import checkov, platform

# The newest three that the validator knows: all that are maintained at once.
VERSIONS = ("1.37.0", "1.36.0", "1.35.0")


@pytest.fixture(scope="module")
def scanned():
    """Findings by case; a case is scanned once."""
    return {}


@pytest.fixture
def findings(scanned, record, configured):
    def find(case):
        if case not in scanned:
            program = checkov.obtained()
            scanned[case] = checkov.scan(program, platform.declared(record, configured, case).objects)
        return scanned[case]

    return find


def test_the_versions_are_the_newest():
    assert kubernetes_validate.utils.all_versions()[-1] == VERSIONS[0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", platform.CASES)
def test_every_manifest_fits_the_schema(record, configured, case, version):
    objects = platform.declared(record, configured, case).objects
    assert objects
    for manifest in objects:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("case", platform.CASES)
def test_the_scanner_finds_nothing_that_is_not_explained(findings, case):
    waivers = checkov.waivers()
    assert [f.text for f in findings(case) if not any(waiver.covers(f) for waiver in waivers)] == []


def test_every_waiver_is_still_needed(findings):
    found = [finding for case in platform.CASES for finding in findings(case)]
    unused = [waiver for waiver in checkov.waivers() if not any(map(waiver.covers, found))]
    assert unused == []
    assert all(len(waiver.reason) > 20 for waiver in checkov.waivers())


@pytest.mark.parametrize("case", platform.CASES)
def test_every_container_that_listens_is_asked_whether_it_is_well(record, configured, case):
    objects = platform.declared(record, configured, case).objects
    pods = [o["spec"]["template"]["spec"] for o in objects if o["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}]
    listening = [c for pod in pods for c in pod["containers"] if c.get("ports")]
    assert bool(listening) == bool(pods)
    assert [c["name"] for c in listening if not {"livenessProbe", "readinessProbe"} <= c.keys()] == []


@pytest.mark.parametrize("case", platform.CASES)
def test_every_pod_runs_under_an_account_of_its_component_and_gets_no_token_but_prometheus(record, configured, case):
    objects = platform.declared(record, configured, case).objects
    accounts = {
        (o["metadata"]["namespace"], o["metadata"]["name"]): o for o in objects if o["kind"] == "ServiceAccount"
    }
    assert {account["automountServiceAccountToken"] for account in accounts.values()} == {False}
    with_token = set()
    for namespace, component, pod in pods(objects):
        assert pod.get("serviceAccountName") == component
        assert (namespace, component) in accounts
        if pod.get("automountServiceAccountToken") is not False:
            with_token.add(component)
    assert with_token <= {"prometheus"}


def pods(objects):
    """Namespace, component and specification of the pods that each workload makes."""
    for item in objects:
        spec = item.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            component = template["metadata"]["labels"]["app.kubernetes.io/component"]
            yield item["metadata"]["namespace"], component, template["spec"]


@pytest.mark.parametrize("case", platform.CASES)
def test_the_engine_waits_for_workloads_and_not_for_the_services_before_them(record, configured, case):
    # The engine works on four resources a core at once. That many Services that wait for pods would keep it from ever
    # making the pods.
    services = platform.declared(record, configured, case).all("Service")
    annotations = {o["metadata"]["name"]: o["metadata"].get("annotations", {}) for o in services}
    assert [name for name, found in annotations.items() if found.get("pulumi.com/skipAwait") != "true"] == []
