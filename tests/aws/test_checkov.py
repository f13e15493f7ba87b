"""A security scanner has nothing to say against an environment that isn't explained."""

import pytest
from tests.aws import checkov, environments


@pytest.fixture(scope="module")
def scanned():
    """Findings by case; a case is scanned once."""
    return {}


@pytest.fixture
def findings(scanned, record, configured):
    def find(case):
        if case not in scanned:
            program = checkov.obtained()
            scanned[case] = checkov.scan(program, environments.configuration(record, configured, case))
        return scanned[case]

    return find


@pytest.mark.parametrize("case", environments.CASES)
def test_the_scanner_finds_nothing_that_is_not_explained(findings, case):
    waivers = checkov.waivers()
    assert [f.text for f in findings(case) if not any(waiver.covers(f) for waiver in waivers)] == []


def test_every_waiver_is_still_needed(findings):
    found = [finding for case in environments.CASES for finding in findings(case)]
    unused = [waiver for waiver in checkov.waivers() if not any(map(waiver.covers, found))]
    assert unused == []
    assert all(len(waiver.reason) > 20 for waiver in checkov.waivers())
