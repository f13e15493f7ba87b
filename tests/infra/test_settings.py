from pathlib import Path

import pytest

from mlops_platform import settings
from mlops_platform.errors import PlatformError


def load(directory, **values):
    return settings.load(values.get, stack="dev", directory=directory)


def test_defaults(tmp_path):
    loaded = load(tmp_path / "infra")
    assert loaded == settings.Settings("dev", "local", "mlops", tmp_path / ".seedbed/environments/dev", 0, 0)


def test_a_relative_home_belongs_to_the_program_and_not_to_the_current_folder(tmp_path):
    assert load(tmp_path / "infra", home="../elsewhere").home == tmp_path / "elsewhere"


def test_an_absolute_home_is_taken_as_it_is(tmp_path):
    assert load(tmp_path / "infra", home=str(tmp_path / "disk")).home == tmp_path / "disk"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": "locl"}, "target = 'locl' is not one of: local\nWhat to do: .* pulumi config set target local$"),
        ({"project": "Flight Delays"}, "project = 'Flight Delays' must be 1 to 40 lower-case"),
        ({"project": "a" * 41}, "must be 1 to 40"),
        ({"s3Port": "80"}, "s3Port = '80' must be 1024 to 65535, or 0"),
        ({"s3Port": "-1"}, "s3Port = '-1'"),
        ({"mlflowPort": "five"}, "mlflowPort = 'five'"),
        ({"mlflowPort": "65536"}, "mlflowPort = '65536'"),
        ({"s3Port": "9000", "mlflowPort": "9000"}, "mlflowPort = '9000' is the port of the object store too"),
        ({"home": "/"}, "home = '/' holds more than one environment's files"),
        ({"home": "."}, "home = '.' holds more than"),
        ({"home": ".."}, "home = '..' holds more than"),
        ({"home": "HOME"}, "holds more than one"),
    ],
)
def test_a_bad_value_is_refused_with_a_way_out(tmp_path, values, message):
    values = {key: str(Path.home()) if value == "HOME" else value for key, value in values.items()}
    with pytest.raises(PlatformError, match=message):
        load(tmp_path / "infra", **values)


def test_pulumi_yaml_describes_every_key_with_the_default_that_the_program_has(tmp_path):
    import yaml

    declared = yaml.safe_load((Path(settings.__file__).parents[1] / "Pulumi.yaml").read_text())["config"]
    asked = set()

    def get(key):
        asked.add(key)
        return str(declared[key]["default"])

    assert settings.load(get, stack="dev", directory=tmp_path / "infra") == load(tmp_path / "infra")
    assert set(declared) == asked
    assert all(entry["description"] for entry in declared.values())
