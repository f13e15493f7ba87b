"""What CI checks before it touches the infrastructure, and how it tells what it found."""

import runpy
import subprocess
import urllib.error

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


SPEC = """
[project]
name = "It"
[environments.prod]
target = "aws"
region = "eu-west-1"
"""


def recorded(program, text):
    """Write a spec, and the stack's settings as they were made of `text`."""
    import tomllib

    made_of = infrastructure["digest"](tomllib.loads(text), "prod")
    with (infrastructure["PROGRAM"] / "Pulumi.prod.yaml").open("a") as file:
        file.write(f'  "seedbed:spec": "{made_of}"\n')


def test_a_change_of_the_spec_that_has_not_come_to_the_settings_is_refused(program, monkeypatch, capsys):
    recorded(program, SPEC)
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    spec = infrastructure["SPEC"]
    otherwise_said = SPEC.replace('"eu-west-1"', "'eu-west-1'  # near us")
    for harmless in (SPEC, otherwise_said, SPEC + "[data]\ntime = 'day'\n"):
        spec.write_text(harmless)
        assert infrastructure["chosen"](SET) == "prod"
    elsewhere, renamed = SPEC.replace("west-1", "west-3"), SPEC.replace('"It"', '"That"')
    for changed in (elsewhere, renamed, SPEC + "budget = 5\n"):
        spec.write_text(changed)
        assert infrastructure["main"](["preview"]) == 1
        told = capsys.readouterr().err
        assert "run `seedbed preview prod`" in told
        assert "commit infra/Pulumi.prod.yaml" in told
        assert "run `seedbed preview prod`" in infrastructure["REPORT"].read_text()


def test_settings_that_do_not_say_of_what_they_are_made_are_taken_with_a_note(program, capsys):
    infrastructure["SPEC"].write_text(SPEC)
    assert infrastructure["chosen"](SET) == "prod"
    assert "`seedbed preview prod` writes it down" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (subprocess.CalledProcessError(1, "install.sh", b"curl: not found\n"), "curl: not found"),
        (urllib.error.URLError("no route to host"), "no route to host"),
    ],
)
def test_a_cli_that_can_not_be_had_is_a_clear_error_with_a_report(monkeypatch, capsys, error, told):
    from pulumi.automation import PulumiCommand

    def install():
        raise error

    monkeypatch.setattr(PulumiCommand, "install", install)
    for name, value in {**SET, "PATH": ""}.items():
        monkeypatch.setenv(name, value)
    for command in ("apply", "preview"):
        assert infrastructure["main"]([command]) == 1
        said = capsys.readouterr().err
        assert told in said
        assert "put the CLI on PATH" in said
    report = infrastructure["REPORT"].read_text()
    assert report.startswith("### Infrastructure of `prod`: not looked at")
    assert told in report


def test_the_report_says_first_what_changes_and_fits_into_a_comment():
    assert infrastructure["summary"]({"create": 2, "same": 7, "delete": 1}) == "1 delete, 2 create"
    assert infrastructure["summary"]({"same": 7}) == "no changes"
    report = infrastructure["markdown"]("prod", "2 create", "line\n" * 100_000)
    assert report.splitlines()[0] == "### Infrastructure of `prod`: 2 create"
    assert len(report) < 65_536
    assert "The rest is in the log" in report
