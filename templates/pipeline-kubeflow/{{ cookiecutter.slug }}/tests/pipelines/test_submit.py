"""Submitting from the command line: a run that can say what it ran, or none."""

import hashlib
import json
from pathlib import Path

import pytest

from {{ cookiecutter.package }}.pipelines import __main__ as program
from {{ cookiecutter.package }}.pipelines import client, store


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(client, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(store, "PAUSE", 0.0)


@pytest.fixture
def pushed(project):
    """The project, its commit naming a data version that lies in the folder `remote`; gives both."""
    content = b"some,data\n"
    entry = {"md5": hashlib.md5(content).hexdigest(), "relpath": "a.csv"}
    listing = json.dumps([entry], sort_keys=True).encode()
    version = hashlib.md5(listing).hexdigest() + ".dir"
    for md5, body in ((entry["md5"], content), (version, listing)):
        path = Path("remote") / store.object_key(md5)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    project.record(version)
    project.commit()
    return project, version


def submit(*arguments):
    return program.main(["submit", "--param", "source=remote", *arguments])


def test_a_run_records_commit_and_data_version(kubeflow, pushed, capsys):
    project, version = pushed
    assert submit("--param", "max_iter=3") == 0
    ((identity, run),) = kubeflow.runs.items()
    expected = {"commit": project.head, "data_version": version, "source": "remote", "max_iter": 3}
    assert run["runtime_config"]["parameters"] == expected
    shown = capsys.readouterr().out
    assert f"run {identity}\n{kubeflow.url}/#/runs/details/{identity}\n" in shown
    assert "the storage class standard, unless PIPELINE_VOLUME or PIPELINE_STORAGE_CLASS" in shown
    assert project.head in shown
    assert version in shown


def test_a_tree_that_differs_from_the_commit_is_refused_unless_told(kubeflow, pushed, capsys):
    _, version = pushed
    with Path("params.yaml").open("a") as file:
        file.write("\n")
    assert submit() == 1
    assert "--unrecorded" in capsys.readouterr().err
    assert not kubeflow.runs
    assert submit("--unrecorded") == 0
    (run,) = kubeflow.runs.values()
    assert run["runtime_config"]["parameters"] == {
        "commit": "",
        "data_version": version,
        "source": "remote",
    }
    assert "enableCache" not in json.dumps(run["pipeline_spec"])


def test_data_that_was_not_pushed_is_refused_unless_told(kubeflow, pushed, capsys):
    next(Path("remote/files/md5").rglob("*.dir")).unlink()
    assert submit() == 1
    assert "make push" in capsys.readouterr().err
    assert not kubeflow.runs
    assert submit("--unrecorded") == 0


def test_without_a_store_nobody_can_tell_whether_data_was_pushed(kubeflow, pushed, capsys):
    assert program.main(["submit"]) == 1
    assert "DATA_BUCKET" in capsys.readouterr().err
    assert not kubeflow.runs


def test_commit_and_data_version_can_be_insisted_on(kubeflow, pushed, capsys):
    project, version = pushed
    assert submit("--commit", "HEAD~1") == 1
    assert "is checked out" in capsys.readouterr().err
    assert submit("--data-version", project.VERSION) == 1
    assert f"names data version {version}" in capsys.readouterr().err
    assert submit("--param", f"data_version={version}") == 1
    assert "data_version is no --param here" in capsys.readouterr().err
    assert submit("--commit", project.head[:10], "--data-version", version) == 0
    assert submit("--data-version", "latest") == 0
    assert len(kubeflow.runs) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("max_iter=few", "max_iter is 'few'; it must be a whole number"),
        ("max_iter=2.5", "max_iter is '2.5'; it must be a whole number"),
        ("tolerance=", "tolerance is ''; it must be a number"),
        ("register_model=perhaps", "register_model is 'perhaps'; it must be true or false"),
        ("max_iter", "'max_iter' isn't NAME=VALUE for a parameter"),
    ],
)
def test_a_parameter_of_the_wrong_kind_is_refused_at_once(kubeflow, pushed, capsys, given, said):
    assert submit("--param", given) == 1
    assert not kubeflow.runs
    assert said in capsys.readouterr().err


def test_a_schedule_says_which_code_it_runs_too(kubeflow, pushed, capsys):
    Path("params.yaml").write_text("model: {}\n")
    schedule = ["schedule", "--cron", "0 0 4 * * 1"]
    assert program.main(schedule) == 1
    assert "files differ from commit" in capsys.readouterr().err
    assert not kubeflow.schedules
    assert program.main([*schedule, "--unrecorded"]) == 0
    (made,) = kubeflow.schedules.values()
    assert made["runtime_config"]["parameters"] == {"commit": "", "data_version": "latest"}


def test_outside_of_a_repository_there_is_nothing_to_submit(kubeflow, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("GIT_COMMIT", raising=False)
    (tmp_path / "params.yaml").write_text("model: {}\n")
    assert submit() == 1
    assert "isn't a Git repository" in capsys.readouterr().err


def test_an_image_submits_the_commit_that_it_is_built_from(kubeflow, pushed, tmp_path, capsys, monkeypatch):
    head = pushed[0].head
    image = tmp_path / "image"
    (image / "data").mkdir(parents=True)
    for name in ("params.yaml", "data/raw.dvc"):
        (image / name).write_bytes(Path(name).read_bytes())
    monkeypatch.chdir(image)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_COMMIT", head)
    for insisted in ([], ["--commit", head]):
        kubeflow.runs.clear()
        assert program.main(["submit", "--data-version", "latest", *insisted]) == 0
        (run,) = kubeflow.runs.values()
        assert run["runtime_config"]["parameters"] == {"commit": head, "data_version": "latest"}
    assert program.main(["submit", "--data-version", "latest", "--commit", "f" * 40]) == 1
    assert "was asked for" in capsys.readouterr().err


def test_waiting_ends_with_the_run_and_its_outcome(kubeflow, pushed, capsys):
    assert submit("--wait") == 0
    assert capsys.readouterr().out.endswith("pending\nrunning\nsucceeded\n")
    kubeflow.states = ["RUNNING", "FAILED"]
    assert submit("--wait") == 1
    assert "ended: FAILED" in capsys.readouterr().err


def test_waiting_for_a_while_leaves_a_run_that_takes_longer(kubeflow, pushed, capsys):
    kubeflow.states = ["RUNNING"]
    assert submit("--wait", "0.001", "--volume", "team-data") == 0
    shown = capsys.readouterr().out
    assert "still running" in shown
    assert "PIPELINE_STORAGE_CLASS" not in shown


def test_a_refusing_server_is_one_message_and_code_1(kubeflow, pushed, capsys):
    kubeflow.token = "secret"
    assert submit() == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "next: set KFP_TOKEN" in error


def test_a_schedule_s_whole_life_on_the_command_line(kubeflow, pushed, capsys):
    project, _ = pushed
    assert program.main(["schedule", "--cron", "0 0 4 * * 1", "--image", "x@sha256:" + "0" * 64]) == 0
    ((identity, made),) = kubeflow.schedules.items()
    parameters = {"commit": project.head, "data_version": "latest"}
    assert made["runtime_config"]["parameters"] == parameters
    assert "x@sha256:" + "0" * 64 in json.dumps(made["pipeline_spec"])
    capsys.readouterr()
    for command, state in (("disable", "disabled"), ("enable", "enabled")):
        assert program.main([command, client.SCHEDULE]) == 0
        assert program.main(["schedules"]) == 0
        assert f"{client.SCHEDULE}\t{state}\t0 0 4 * * 1\t{identity}\n" in capsys.readouterr().out
    assert program.main(["delete", identity]) == 0
    assert not kubeflow.schedules
    assert program.main(["delete", identity]) == 1
