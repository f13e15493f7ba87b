import pytest

from seedbed import spec as specs
from seedbed.errors import SpecError, UsageError
from seedbed.spec_sources import gather

SPEC = """
[project]
name = "From File"
description = "from file"
task = "regression"
[choices]
ci = "none"
[data]
source = "t.csv"
target = "y"
features = { x = "number" }
"""


@pytest.fixture
def spec_file(tmp_path):
    path = tmp_path / "specs" / "seedbed.toml"
    path.parent.mkdir()
    path.write_text(SPEC)
    return path


def test_flags_win_over_variables_over_the_file_over_the_users_own(spec_file, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[project]\nname = "mine"\nlicense = "MIT"\ndescription = "mine"\n')
    environ = {"SEEDBED_CONFIG": str(config), "SEEDBED_PROJECT_NAME": "from env", "SEEDBED_CHOICES_CI": "github"}
    values = gather(spec_file=spec_file, sets=["project.name=from flag"], environ=environ).values
    assert values["project"]["name"] == "from flag"
    assert values["choices"]["ci"] == "github"
    assert values["project"]["description"] == "from file"
    assert values["project"]["license"] == "MIT"


def test_relative_data_starts_from_where_it_was_named(spec_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gather(spec_file=spec_file, environ={}).base == spec_file.parent
    assert gather(spec_file=spec_file, sets=["data.source=other.csv"], environ={}).base == tmp_path


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_project_without_data_gets_the_bundled_one_of_its_task(task):
    answers = gather(spec_file=None, sets=["project.name=x", f"project.task={task}"], environ={})
    spec = specs.parse(answers.values)
    assert (answers.base / spec.data.source).is_file()
    assert spec.project.task == task


def test_a_flag_replaces_one_feature_of_the_file(spec_file):
    values = gather(spec_file=spec_file, sets=["data.features.z=category"], environ={}).values
    assert values["data"]["features"] == {"x": "number", "z": "category"}


@pytest.mark.parametrize("flag", ["project.name", "name=x", "=x"])
def test_a_malformed_flag_is_a_usage_error(flag):
    with pytest.raises(UsageError):
        gather(spec_file=None, sets=[flag], environ={})


def test_a_mistyped_variable_is_named():
    with pytest.raises(SpecError, match="SEEDBED_PROJECT_NAM names no key"):
        gather(spec_file=None, environ={"SEEDBED_PROJECT_NAM": "x"})


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no spec file"), ("a = [", "not valid TOML"), (b"\xff\xfe", "can't be read")]
)
def test_an_unusable_file_is_a_spec_error(tmp_path, content, message):
    path = tmp_path / "seedbed.toml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.write_text(content)
    with pytest.raises(SpecError, match=message):
        gather(spec_file=path, environ={})
