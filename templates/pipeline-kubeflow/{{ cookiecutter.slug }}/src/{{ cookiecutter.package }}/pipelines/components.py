"""The pipeline's components: each calls what the DVC stages call, on the files that Kubeflow hands it.

A component's body runs in a process of its own, here or in a container that has this package installed, so it
imports what it uses. Kubeflow reads the annotations when this module is imported: they can't be postponed.
kfp itself comes with the project's requirements, and the image is chosen by the pipeline.

Kubeflow finds a step's earlier results by its parameters and its image. So each cached step takes the data
version and the commit: other data or other code under the same parameters is another step.
"""

from functools import partial
from typing import NamedTuple

from kfp import dsl

# The pipeline sets the real image; this one keeps kfp quiet where a run needs none.
component = partial(dsl.component, base_image="python:3", install_kfp_package=False)


@component
def configure(
    test_size: float,
    split_seed: int,
    kind: str,
    learning_rate: float,
    max_iter: int,
    max_leaf_nodes: int,
    min_leaf_share: float,
    l2_regularization: float,
    max_features: float,
    model_seed: int,
    folds: int,
    max_rows: int,
    tolerance: float,
) -> dict:
    """Check the parameters, before anything costs time."""
    from {{ cookiecutter.package }} import config

    params = {
        "split": {"test_size": test_size, "seed": split_seed},
        "model": {
            "kind": kind,
            "learning_rate": learning_rate,
            "max_iter": max_iter,
            "max_leaf_nodes": max_leaf_nodes,
            "min_leaf_share": min_leaf_share,
            "l2_regularization": l2_regularization,
            "max_features": max_features,
            "seed": model_seed,
        },
        "cross_validation": {"folds": folds, "max_rows": max_rows},
        "gate": {"tolerance": tolerance},
    }
    config.parse(params)
    return params


@component
def fetch(commit: str, data_version: str, source: str, volume: str) -> NamedTuple(
    "Fetched", data_version=str, commit=str
):
    """Bring the commit's data version from the object store to the volume, and check every byte of it."""
    from pathlib import Path

    from {{ cookiecutter.package }}.pipelines import commits, store

    opened = store.open_store(source)
    version, code = commits.settle(commit, data_version, opened)
    files = store.fetch(opened, version, Path(volume) / version)
    print(f"{len(files)} files of data version {version}, for commit {code}")
    return version, code


@component
def validate(
    commit: str,
    data_version: str,
    volume: str,
    reports: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.Markdown],
) -> None:
    """Check the data against the schema."""
    import shutil
    from pathlib import Path

    from {{ cookiecutter.package }} import stages

    stages.validate(Path(volume) / data_version, Path(reports.path))
    shutil.copyfile(Path(reports.path) / "dataset_card.md", card.path)
    reports.metadata.update(commit=commit, data_version=data_version)


@component
def preprocess(
    commit: str, data_version: str, volume: str, params: dict, prepared: dsl.Output[dsl.Dataset]
) -> None:
    """Split the data into training and test rows."""
    from pathlib import Path

    from {{ cookiecutter.package }} import config, stages

    summary = stages.prepare(Path(volume) / data_version, Path(prepared.path), config.parse(params))
    prepared.metadata.update(summary, commit=commit)


@component
def train(
    commit: str,
    data_version: str,
    prepared: dsl.Input[dsl.Dataset],
    params: dict,
    models: dsl.Output[dsl.Model],
) -> None:
    """Fit the model and its baseline."""
    from pathlib import Path

    from {{ cookiecutter.package }} import config, stages

    cost = stages.train(Path(prepared.path), Path(models.path), config.parse(params))
    models.metadata.update(cost, commit=commit, data_version=data_version)


@component
def evaluate(
    commit: str,
    data_version: str,
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    validation: dsl.Input[dsl.Artifact],
    params: dict,
    measured: dsl.Output[dsl.Metrics],
    reports: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.Markdown],
) -> NamedTuple("Evaluated", passed=bool, reason=str):
    """Measure model and baseline on the test rows, collect the reports, and say if the model is of use."""
    import shutil
    from pathlib import Path

    from {{ cookiecutter.package }} import config, gate, stages

    folder = Path(reports.path)
    settings = config.parse(params)
    shutil.copytree(validation.path, folder)
    found = stages.evaluation(
        Path(prepared.path), Path(models.path), folder / "metrics.json", folder, settings
    )
    shutil.copyfile(folder / "model_card.md", card.path)
    reports.metadata.update(commit=commit, data_version=data_version)
    name = found["metric"]
    for key, value in found["model"].items():
        measured.log_metric(key, value)
    measured.log_metric(f"baseline_{name}", found["baseline"][name])
    # The gate without the champion, whom only the registry knows: `register` asks again, with the champion.
    decision = gate.decide(gate.scores(found), settings.gate.tolerance)
    print(f"{'passed' if decision.promoted else 'refused'}: {decision.reason}")
    return decision.promoted, decision.reason


@component
def register(
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    reports: dsl.Input[dsl.Artifact],
    params: dict,
) -> NamedTuple("Registered", version=str, promoted=bool, reason=str):
    """Record the run, register the model, and promote it if it holds against the champion."""
    from pathlib import Path

    from {{ cookiecutter.package }} import config, registry, stages

    folder = Path(reports.path)
    decision = registry.register(
        Path(models.path),
        Path(prepared.path),
        stages.read_json(folder / "metrics.json"),
        folder,
        config.parse(params),
    )
    print(decision)
    return decision.version, decision.promoted, decision.reason
