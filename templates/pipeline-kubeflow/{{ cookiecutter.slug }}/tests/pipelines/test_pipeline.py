"""The pipeline itself: what it compiles to, and that it does what the stages do."""

import copy
import functools
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from kfp import dsl

from {{ cookiecutter.package }} import config, data, gate, stages
from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.pipelines import __main__ as program
from {{ cookiecutter.package }}.pipelines import components, settings, store
from {{ cookiecutter.package }}.pipelines.settings import Cluster

from support import ROOT

IMAGE = "registry.example.com/project@sha256:" + "0" * 64
STEPS = {f"exec-{name}" for name in settings.STEPS}
READERS = {"exec-fetch", "exec-validate", "exec-preprocess"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Return the specification, and what Kubernetes is told of each step and of the run. Only read them."""
    from google.protobuf import json_format
    from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
    from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

    folder = tmp_path_factory.mktemp("compiled")
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")

    @functools.cache
    def once(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            assert program.main(["compile", "--output", "pipeline.yaml", *arguments]) == 0
        specification, platforms = yaml.safe_load_all((folder / "pipeline.yaml").read_text())
        json_format.ParseDict(specification, PipelineSpec())
        json_format.ParseDict(platforms, PlatformSpec())
        executors = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for executor in executors.values():
            json_format.ParseDict(executor, KubernetesExecutorConfig())
        return specification, executors, platforms["platforms"]["kubernetes"]["pipelineConfig"]

    return once


def tasks(specification):
    """Return every task of the pipeline, however deep, by its name."""
    found = dict(specification["root"]["dag"]["tasks"])
    for component in specification["components"].values():
        found |= component.get("dag", {}).get("tasks", {})
    return found


@pytest.fixture
def params():
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    return config.load()


def test_every_step_runs_in_the_one_image_within_bounds(compiled):
    specification, executors, run = compiled("--image", IMAGE)
    containers = {
        name: item["container"]
        for name, item in specification["deploymentSpec"]["executors"].items()
        if name in STEPS
    }
    assert set(containers) == STEPS
    assert {item["image"] for item in containers.values()} == {IMAGE}
    assert "pip install" not in json.dumps(specification)
    for name, container in containers.items():
        needs = settings.STEPS[name.removeprefix("exec-")]
        assert container["resources"]["resourceCpuRequest"] == needs.cpu
        assert container["resources"]["resourceCpuLimit"] == needs.cpu_limit
        assert container["resources"]["resourceMemoryRequest"] == needs.memory
        assert container["resources"]["resourceMemoryLimit"] == needs.memory_limit
        assert executors[name]["activeDeadlineSeconds"] == str(needs.seconds)
    every = tasks(specification)
    retried = {name: task["retryPolicy"] for name, task in every.items() if "retryPolicy" in task}
    assert set(retried) == set(settings.TRANSIENT)
    assert {policy["maxRetryCount"] for policy in retried.values()} == {settings.RETRIES}
    assert run["activeDeadlineSeconds"] == settings.RUN_SECONDS


def test_every_parameter_of_the_project_is_shown_with_its_default_and_what_it_means(compiled, params):
    specification, _, _ = compiled()
    inputs = specification["root"]["inputDefinitions"]["parameters"]
    # Both seeds go by longer names; the others have names of their own.
    own = {name.split(".")[1]: value for name, value in params.flat().items() if not name.endswith(".seed")}
    own |= {"split_seed": params.split.seed, "model_seed": params.model.seed}
    assert {name: inputs[name]["defaultValue"] for name in own} == own
    assert set(inputs) == {*own, "commit", "data_version", "source", "register_model"}
    assert all(len(item["description"].split()) > 2 for item in inputs.values())


def test_only_steps_that_need_the_store_get_its_keys(compiled):
    _, executors, _ = compiled()
    granted = {
        name: {item["envVar"] for secret in executor["secretAsEnv"] for item in secret["keyToEnv"]}
        for name, executor in executors.items()
        if "secretAsEnv" in executor
    }
    assert granted == {
        "exec-fetch": set(settings.STORE),
        "exec-register": {*settings.STORE, *settings.REGISTRY},
    }
    secrets = [secret for name in granted for secret in executors[name]["secretAsEnv"]]
    assert {secret["secretName"] for secret in secrets} == {settings.SECRET}


def test_steps_share_a_volume_that_the_run_makes_and_deletes(compiled):
    specification, executors, _ = compiled("--storage-class", "fast")
    mounts = {name: item["pvcMount"] for name, item in executors.items() if "pvcMount" in item}
    assert set(mounts) == READERS
    assert {mount["mountPath"] for (mount,) in mounts.values()} == {settings.MOUNT}
    every = tasks(specification)
    made, removed = every["createpvc"]["inputs"]["parameters"], every["deletepvc"]
    assert made["storage_class_name"]["runtimeValue"]["constant"] == "fast"
    assert made["pvc_name"] == removed["inputs"]["parameters"]["pvc_name"]
    # However the run ends, also if a step failed.
    assert removed["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert not every["createpvc"].get("cachingOptions")
    assert not removed.get("cachingOptions")


def test_without_a_class_kubeflow_chooses_one(compiled):
    """An empty one would be a volume that nothing makes, and the run would wait for it until its end."""
    specification, _, _ = compiled()
    assert "storage_class_name" not in tasks(specification)["createpvc"]["inputs"]["parameters"]


def test_a_lasting_volume_is_used_as_it_is(compiled):
    specification, executors, _ = compiled("--volume", "team-data")
    assert {"createpvc", "deletepvc"}.isdisjoint(tasks(specification))
    mounts = [item["pvcMount"][0] for item in executors.values() if "pvcMount" in item]
    assert {mount["pvcNameParameter"]["runtimeValue"]["constant"] for mount in mounts} == {"team-data"}
    assert len(mounts) == len(READERS)


def test_no_step_says_as_which_user_it_runs_unless_the_volume_asks_for_it(compiled):
    _, executors, _ = compiled()
    assert not any("securityContext" in item for item in executors.values())
    _, executors, _ = compiled("--volume-writer", "0")
    users = {name: item["securityContext"] for name, item in executors.items() if "securityContext" in item}
    assert users == {"exec-fetch": {"runAsUser": "0"}}


def test_what_is_cached_is_known_by_data_and_commit(compiled):
    specification, _, _ = compiled()
    every = tasks(specification)
    cached = {name for name, task in every.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == {"validate", "preprocess", "train", "evaluate"}
    for name in cached:
        given = every[name]["inputs"]["parameters"]
        for key in ("commit", "data_version"):
            assert given[key]["taskOutputParameter"] == {"outputParameterKey": key, "producerTask": "fetch"}


def test_a_model_is_registered_only_if_the_gate_lets_it_pass(compiled):
    specification, _, _ = compiled()
    conditions = {
        task["taskInfo"]["name"]: task["triggerPolicy"]["condition"]
        for task in tasks(specification).values()
        if "condition" in task.get("triggerPolicy", {})
    }
    assert set(conditions) == {"passed", "wanted"}
    assert "evaluate-passed'] == true" in conditions["passed"]
    assert "register_model'] == true" in conditions["wanted"]
    groups = [item["dag"]["tasks"] for item in specification["components"].values() if "dag" in item]
    assert [set(group) for group in groups if "register" in group] == [{"register"}]


@pytest.mark.parametrize(
    ("image", "volume", "storage_class", "writer"),
    [
        ("", "", "standard", ""),
        ("a b", "", "standard", ""),
        ("x", "Team Data", "standard", ""),
        ("x", "", "Fast Disks", ""),
        ("x", "", "standard", "root"),
    ],
)
def test_names_that_kubernetes_would_refuse_are_refused_at_once(image, volume, storage_class, writer):
    with pytest.raises(ConfigError):
        Cluster(image, volume, storage_class, writer)


def run(*arguments):
    return program.main(["run", *[part for item in arguments for part in ("--param", item)]])


def test_a_local_run_gives_the_metrics_of_the_stages_and_registers_the_model(trained, {% if cookiecutter.tracking %}tables, {% endif %}params, capfd):
{%- if cookiecutter.tracking %}
    shutil.copyfile(tables, "mlflow.db")
{%- endif %}
    as_remote(trained.raw, Path("remote"))
    given = [f"data_version={data.version(trained.raw)}", "source=remote"]
    code = run(*given, f"max_iter={trained.params.model.max_iter}", "tolerance=0.99")
    shown = capfd.readouterr().out
    assert code == 0, shown
    metrics = json.loads(next(Path(".kfp").glob("*/evaluate/reports/metrics.json")).read_text())
    assert metrics == json.loads((trained.folder / "metrics.json").read_text())
    # A model of few trees and few rows may be no better than chance: then the registry never hears of it.
    passed = gate.decide(gate.scores(metrics), 0.99).promoted
    assert bool(re.search(r"promoted: version \d+: ", shown)) is passed


def test_a_model_that_is_of_no_use_does_not_pass(trained, capsys):
    # Nothing is learned from a single tree that may not split, with next to no rows.
    nothing = {"kind": "boosting", "max_iter": 1, "learning_rate": 0.000001, "min_leaf_share": 0.49}
    given = {"model": nothing, "cross_validation": {"folds": 0}}
    stages.train(trained.prepared, Path("models"), config.parse(given))
    passed, reason = components.evaluate.python_func(
        commit="",
        data_version="",
        prepared=dsl.Dataset(uri=str(trained.prepared)),
        models=dsl.Model(uri="models"),
        validation=dsl.Artifact(uri=str(trained.reports)),
        params=given,
        measured=dsl.Metrics(uri="measured"),
        reports=dsl.Artifact(uri="reports"),
        card=dsl.Markdown(uri="card"),
    )
    assert passed is False
    assert f"refused: {reason}" in capsys.readouterr().out


@pytest.mark.parametrize("passed", [True, False])
def test_a_run_registers_what_passed_and_nothing_else(params, monkeypatch, capfd, passed):
    version = f"{'0' * 32}.dir"
    answers = {
        "fetch": (version, ""),
        "validate": None,
        "preprocess": None,
        "train": None,
        "evaluate": (passed, "because"),
        "register": ("7", True, "because"),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(components, name, answering(getattr(components, name), answer))
    assert run(f"data_version={version}") == 0, capfd.readouterr().out
    assert bool(list(Path(".kfp").glob("*/evaluate")))
    assert bool(list(Path(".kfp").glob("*/register"))) is passed


def answering(component, answer):
    """Return the component with its place in the pipeline, but with an answer instead of its work."""
    changed = copy.deepcopy(component)
    command = changed.component_spec.implementation.container.command
    command[-1] = command[-1].replace('."""\n', f'."""\n    return {answer!r}\n', 1)
    return changed


def test_a_failed_component_fails_the_run(params, capfd):
    code = run(f"data_version={'0' * 32}.dir", "source=remote")
    assert code == 1
    shown = capfd.readouterr()
    assert "remote holds no files/md5/00/" in shown.out + shown.err
    assert "the pipeline failed" in shown.err


@pytest.mark.parametrize("given", ["nonsense", "speed=1", "max_iter=[", "data_version"])
def test_unknown_parameters_are_refused_before_anything_runs(params, capsys, given):
    assert run(given) == 1
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
