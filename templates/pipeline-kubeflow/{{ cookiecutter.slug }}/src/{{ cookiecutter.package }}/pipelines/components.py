"""The pipeline's components: each calls what the DVC stages call, on the files that Kubeflow hands it.

A component's body runs in a process of its own, here or in a container that has this package installed, so it
imports what it uses. Kubeflow reads the annotations when this module is imported: they can't be postponed.
kfp itself comes with the project's requirements, and the image is chosen by the pipeline.
"""

from functools import partial
from typing import NamedTuple

from kfp import dsl

# The pipeline sets the real image; this one keeps kfp quiet where a run needs none.
component = partial(dsl.component, base_image="python:3", install_kfp_package=False)


@component
def configure(
    data_version: str,
    source: str,
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
    tolerance: float,
) -> NamedTuple("Configured", data_version=str, params=dict):
    """Check the parameters before anything costs time, and settle which data version `latest` is."""
    from {{ cookiecutter.package }} import config
    from {{ cookiecutter.package }}.pipelines import store

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
        "gate": {"tolerance": tolerance},
    }
    config.parse(params)
    resolved = store.resolve(store.open_store(source), data_version)
    return resolved, params


@component
def fetch(data_version: str, source: str, raw: dsl.Output[dsl.Dataset]) -> None:
    """Fetch a data version from the object store, and check every byte of it."""
    from pathlib import Path

    from {{ cookiecutter.package }}.pipelines import store

    files = store.fetch(store.open_store(source), data_version, Path(raw.path))
    raw.metadata["data_version"] = data_version
    print(f"fetched {len(files)} files of data version {data_version}")


@component
def validate(
    raw: dsl.Input[dsl.Dataset], reports: dsl.Output[dsl.Artifact], card: dsl.Output[dsl.Markdown]
) -> None:
    """Check the data against the schema."""
    import shutil
    from pathlib import Path

    from {{ cookiecutter.package }} import stages

    stages.validate(Path(raw.path), Path(reports.path))
    shutil.copyfile(Path(reports.path) / "dataset_card.md", card.path)


@component
def preprocess(raw: dsl.Input[dsl.Dataset], params: dict, prepared: dsl.Output[dsl.Dataset]) -> None:
    """Split the data into training and test rows."""
    from pathlib import Path

    from {{ cookiecutter.package }} import config, stages

    summary = stages.prepare(Path(raw.path), Path(prepared.path), config.parse(params))
    prepared.metadata.update(summary)


@component
def train(prepared: dsl.Input[dsl.Dataset], params: dict, models: dsl.Output[dsl.Model]) -> None:
    """Fit the model and its baseline."""
    from pathlib import Path

    from {{ cookiecutter.package }} import config, stages

    models.metadata.update(stages.train(Path(prepared.path), Path(models.path), config.parse(params)))


@component
def evaluate(
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    validation: dsl.Input[dsl.Artifact],
    params: dict,
    measured: dsl.Output[dsl.Metrics],
    reports: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.Markdown],
) -> None:
    """Measure model and baseline on the test rows, and collect the reports of the run."""
    import shutil
    from pathlib import Path

    from {{ cookiecutter.package }} import config, stages

    folder = Path(reports.path)
    shutil.copytree(validation.path, folder)
    found = stages.evaluation(
        Path(prepared.path), Path(models.path), folder / "metrics.json", folder, config.parse(params)
    )
    shutil.copyfile(folder / "model_card.md", card.path)
    for name, value in found["model"].items():
        measured.log_metric(name, value)
    measured.log_metric(f"baseline_{found['metric']}", found["baseline"][found["metric"]])


@component
def register(
    prepared: dsl.Input[dsl.Dataset],
    models: dsl.Input[dsl.Model],
    reports: dsl.Input[dsl.Artifact],
    params: dict,
) -> NamedTuple("Registered", version=str, promoted=bool, reason=str):
    """Record the run in MLflow, register the model, and promote it if the gate lets it."""
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
    print(f"{'promoted' if decision.promoted else 'refused'}: version {decision.version}: {decision.reason}")
    return decision.version, decision.promoted, decision.reason
