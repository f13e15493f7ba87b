"""What CI checks before it touches the infrastructure, and how it tells what it found."""

import runpy

import pytest

from support import ROOT

infrastructure = runpy.run_path(str(ROOT / "ci/infrastructure.py"))
SET = {"ENVIRONMENT": "prod", "PULUMI_BACKEND_URL": "s3://state", "PULUMI_CONFIG_PASSPHRASE": "secret"}


@pytest.fixture(autouse=True)
def program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra/Pulumi.prod.yaml").write_text('config:\n  "mlops-platform:target": aws\n')
    (tmp_path / "infra/Pulumi.dev.yaml").write_text('config:\n  "mlops-platform:target": local\n')


def test_an_environment_that_ci_may_change_is_chosen():
    assert infrastructure["chosen"](SET) == "prod"


def test_a_state_that_a_key_locks_needs_no_passphrase(program):
    path = infrastructure["PROGRAM"] / "Pulumi.prod.yaml"
    path.write_text("secretsprovider: awskms:///alias/x\n" + path.read_text())
    assert infrastructure["chosen"]({**SET, "PULUMI_CONFIG_PASSPHRASE": ""}) == "prod"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"PULUMI_BACKEND_URL": ""}, "set PULUMI_BACKEND_URL"),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "set PULUMI_CONFIG_PASSPHRASE"),
        ({"ENVIRONMENT": "prd"}, "there are: dev, prod"),
        ({"ENVIRONMENT": "dev"}, "runs on the machine that starts it"),
    ],
)
def test_anything_else_is_refused_before_the_engine_starts(changed, told, monkeypatch, capsys):
    for name, value in {**SET, **changed}.items():
        monkeypatch.setenv(name, value)
    assert infrastructure["main"](["apply"]) == 1
    assert told in capsys.readouterr().err


def test_the_report_says_first_what_changes_and_fits_into_a_comment():
    assert infrastructure["summary"]({"create": 2, "same": 7, "delete": 1}) == "1 delete, 2 create"
    assert infrastructure["summary"]({"same": 7}) == "no changes"
    report = infrastructure["markdown"]("prod", "2 create", "line\n" * 100_000)
    assert report.splitlines()[0] == "### Infrastructure of `prod`: 2 create"
    assert len(report) < 65_536
    assert "The rest is in the log" in report
