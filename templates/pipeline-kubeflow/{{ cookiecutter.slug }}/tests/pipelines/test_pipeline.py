"""The pipeline itself: what it compiles to, and that it does what the stages do."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.package }} import config, data
from {{ cookiecutter.package }}.pipelines import __main__ as program
from {{ cookiecutter.package }}.pipelines import pipeline, store

from support import ROOT


def compiled(*arguments):
    assert program.main(["compile", "--output", "pipeline.yaml", *arguments]) == 0
    specification, platforms = yaml.safe_load_all(Path("pipeline.yaml").read_text())
    return specification, platforms


@pytest.fixture
def params():
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    return config.load()


def test_it_compiles_to_a_valid_specification(params):
    from google.protobuf import json_format
    from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

    specification, _ = compiled("--image", "registry.example.com/project:7")
    json_format.ParseDict(specification, PipelineSpec())
    executors = specification["deploymentSpec"]["executors"]
    assert {item["container"]["image"] for item in executors.values()} == {"registry.example.com/project:7"}
    assert all("resources" in item["container"] for item in executors.values())
    assert "pip install" not in Path("pipeline.yaml").read_text()


def test_every_parameter_of_the_project_can_be_set(params):
    specification, _ = compiled()
    inputs = specification["root"]["inputDefinitions"]["parameters"]
    # One seed each; the others have their own names.
    expected = {name.split(".")[1] for name in params.flat()} - {"seed"}
    assert set(inputs) == expected | {"split_seed", "model_seed", "data_version", "source", "register_model"}
    assert inputs["max_iter"]["defaultValue"] == params.model.max_iter


def test_only_tasks_that_need_the_store_get_its_keys(params):
    _, platforms = compiled()
    executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    granted = {
        name: {item["envVar"] for secret in executor["secretAsEnv"] for item in secret["keyToEnv"]}
        for name, executor in executors.items()
    }
    assert set(granted) == {"exec-configure", "exec-fetch", "exec-register"}
    assert "MLFLOW_TRACKING_URI" not in granted["exec-fetch"]
    assert granted["exec-register"] == {*pipeline.STORE, *pipeline.REGISTRY}


def test_a_local_run_gives_the_metrics_of_the_stages(trained, params, capfd):
    version = data.version(trained.raw)
    as_remote(trained.raw, Path("remote"))
    arguments = [f"data_version={version}", "source=remote", "register_model=false"]
    code = program.main(["run", *[part for item in arguments for part in ("--param", item)]])
    assert code == 0, capfd.readouterr().out
    metrics = next(Path(".kfp").glob("*/evaluate/reports/metrics.json"))
    assert json.loads(metrics.read_text()) == json.loads((trained.folder / "metrics.json").read_text())
    assert not list(Path(".kfp").glob("*/register"))


def test_a_failed_component_fails_the_run(params, capfd):
    code = program.main(["run", "--param", f"data_version={'0' * 32}.dir", "--param", "source=remote"])
    assert code == 1
    shown = capfd.readouterr()
    assert "remote holds no files/md5/00/" in shown.out + shown.err
    assert "the pipeline failed" in shown.err


@pytest.mark.parametrize("given", ["nonsense", "speed=1", "max_iter=[", "data_version"])
def test_unknown_parameters_are_refused_before_anything_runs(params, capsys, given):
    assert program.main(["run", "--param", given]) == 1
    assert "error: " in capsys.readouterr().err
    assert not Path(".kfp").exists()


def as_remote(folder, remote):
    """Lay a folder out as a DVC remote does."""
    entries = []
    for path in sorted(folder.iterdir()):
        md5 = data.file_md5(path)
        entries.append({"md5": md5, "relpath": path.name})
        copy = remote / store.object_key(md5)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    listing = remote / store.object_key(data.version(folder))
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(json.dumps(entries, sort_keys=True))
