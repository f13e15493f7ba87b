"""The pipeline: how the components hang together, what they may use, and what can be set when it is started.

Kubeflow reads annotations when this module is imported: they can't be postponed.
"""

from collections.abc import Callable
from typing import Any

from kfp import dsl, kubernetes

from {{ cookiecutter.package }}.config import Params
from {{ cookiecutter.package }}.pipelines import components
from {{ cookiecutter.package }}.schema import DESCRIPTION, PROJECT

# The Kubernetes secret that carries the environment's variables; its keys are their names.
SECRET = "seedbed-environment"  # noqa: S105 - a name
STORE = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "DATA_BUCKET",
)
REGISTRY = ("MLFLOW_TRACKING_URI",)


def build(params: Params, image: str = "") -> Callable[..., Any]:
    """Return the pipeline.

    Args:
        params: defaults of what can be set when a run is started.
        image: the container image with this package; empty for a run on this machine.
    """

    @dsl.pipeline(name=f"{PROJECT}-training", description=DESCRIPTION)
    def training(
        data_version: str = "latest",
        source: str = "",
        register_model: bool = True,
        test_size: float = params.split.test_size,
        split_seed: int = params.split.seed,
        kind: str = params.model.kind,
        learning_rate: float = params.model.learning_rate,
        max_iter: int = params.model.max_iter,
        max_leaf_nodes: int = params.model.max_leaf_nodes,
        min_leaf_share: float = params.model.min_leaf_share,
        l2_regularization: float = params.model.l2_regularization,
        max_features: float = params.model.max_features,
        model_seed: int = params.model.seed,
        tolerance: float = params.gate.tolerance,
    ) -> None:
        configured = components.configure(
            data_version=data_version,
            source=source,
            test_size=test_size,
            split_seed=split_seed,
            kind=kind,
            learning_rate=learning_rate,
            max_iter=max_iter,
            max_leaf_nodes=max_leaf_nodes,
            min_leaf_share=min_leaf_share,
            l2_regularization=l2_regularization,
            max_features=max_features,
            model_seed=model_seed,
            tolerance=tolerance,
        )
        settled = configured.outputs["params"]
        raw = components.fetch(data_version=configured.outputs["data_version"], source=source)
        checked = components.validate(raw=raw.outputs["raw"])
        # Nothing is made of data that wasn't checked, though the files are the same.
        prepared = components.preprocess(raw=raw.outputs["raw"], params=settled).after(checked)
        trained = components.train(prepared=prepared.outputs["prepared"], params=settled)
        measured = components.evaluate(
            prepared=prepared.outputs["prepared"],
            models=trained.outputs["models"],
            validation=checked.outputs["reports"],
            params=settled,
        )
        for task in (configured, raw, checked, prepared, trained, measured):
            _equip(task, image)
        # What `latest` means, and who is champion, is a new question every time.
        configured.set_caching_options(False)
        for task in (configured, raw):
            _with_variables(task, STORE)
        with dsl.If(register_model == True, name="register"):  # noqa: E712 - kfp builds the condition from the operator
            registered = components.register(
                prepared=prepared.outputs["prepared"],
                models=trained.outputs["models"],
                reports=measured.outputs["reports"],
                params=settled,
            )
            registered.set_caching_options(False)
            _equip(registered, image)
            _with_variables(registered, (*STORE, *REGISTRY))

    return training  # type: ignore[no-any-return]


def _equip(task: dsl.PipelineTask, image: str) -> None:
    if not image:
        return
    task.set_container_image(image)
    task.set_cpu_request("500m").set_cpu_limit("2")
    task.set_memory_request("1Gi").set_memory_limit("4Gi")


def _with_variables(task: dsl.PipelineTask, names: tuple[str, ...]) -> None:
    # Optional: where a pod's own identity opens the store, the secret holds no keys.
    kubernetes.use_secret_as_env(
        task, secret_name=SECRET, secret_key_to_env={name: name for name in names}, optional=True
    )
