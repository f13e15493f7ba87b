"""The pipeline: how the components hang together, what they may use, and what can be set when it is started.

Kubeflow reads annotations when this module is imported: they can't be postponed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp import dsl, kubernetes

from {{ cookiecutter.package }}.config import Params
from {{ cookiecutter.package }}.pipelines import components, settings
from {{ cookiecutter.package }}.pipelines.settings import Cluster
from {{ cookiecutter.package }}.schema import DESCRIPTION, PROJECT

LOCAL_VOLUME = Path(".kfp/data")


def build(params: Params, cluster: Cluster | None = None, *, cached: bool = True) -> Callable[..., Any]:
    """Return the pipeline.

    Args:
        params: defaults of what can be set when a run is started.
        cluster: where it will run; None: on this machine.
        cached: whether steps may reuse the results of earlier runs with the same data, code and parameters.
    """
    mount = settings.MOUNT if cluster else str(LOCAL_VOLUME.resolve())

    @dsl.pipeline(
        name=f"{PROJECT}-training",
        description=DESCRIPTION,
        pipeline_config=dsl.PipelineConfig(active_deadline_seconds=settings.RUN_SECONDS),
    )
    def training(
        commit: str = "",
        data_version: str = "",
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
        folds: int = params.cross_validation.folds,
        max_rows: int = params.cross_validation.max_rows,
        tolerance: float = params.gate.tolerance,
    ) -> None:
        """Train a model on a data version, measure it, and register it if it is of use.

        Args:
            commit: Full id of the commit that the image is built from; another is refused. Empty: unchecked.
            data_version: What data/raw.dvc names; it must be the commit's. Empty: the commit's. "latest": the
                one that was published last.
            source: Where the data lies, as s3://bucket/prefix. Empty: the environment's own store.
            register_model: Whether a model that passes goes to the registry, and may become the champion.
            test_size: Share of the rows held back to measure on, between 0 and 1.
            split_seed: Shuffles the rows where they have no order in time.
            kind: "linear", "boosting", or "blend", the mean of both.
            learning_rate: How much each tree adds, above 0 and at most 1.
            max_iter: Number of trees.
            max_leaf_nodes: Leaves of a tree.
            min_leaf_share: Smallest leaf as a share of the training rows.
            l2_regularization: Shrinks the leaves; 0 or more.
            max_features: Share of the features that each split may choose from, above 0 and at most 1.
            model_seed: Makes a training run repeatable.
            folds: How often model and baseline are compared in cross-validation, 2 to 20; 0 leaves it out.
            max_rows: With more training rows than this, cross-validation is left out.
            tolerance: How far below baseline and champion a new model may score.
        """
        configured = components.configure(
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
            folds=folds,
            max_rows=max_rows,
            tolerance=tolerance,
        )
        chosen = configured.output
        with _shared_volume(cluster) as claim:
            raw = components.fetch(
                commit=commit, data_version=data_version, source=source, volume=mount
            ).after(configured)
            # What every later step is known by.
            what = {key: raw.outputs[key] for key in ("commit", "data_version")}
            checked = components.validate(**what, volume=mount)
            # Nothing is made of data that wasn't checked, though the files are the same.
            prepared = components.preprocess(**what, volume=mount, params=chosen).after(checked)
            for task in (raw, checked, prepared):
                _mount(task, claim)
            trained = components.train(**what, prepared=prepared.outputs["prepared"], params=chosen)
            measured = components.evaluate(
                **what,
                prepared=prepared.outputs["prepared"],
                models=trained.outputs["models"],
                validation=checked.outputs["reports"],
                params=chosen,
            )
            # In this order: on one machine kfp sees a step's answer only from inside another condition.
            with (
                dsl.If(register_model == True, name="wanted"),  # noqa: E712 - kfp builds it from ==
                dsl.If(measured.outputs["passed"] == True, name="passed"),  # noqa: E712
            ):
                registered = components.register(
                    prepared=prepared.outputs["prepared"],
                    models=trained.outputs["models"],
                    reports=measured.outputs["reports"],
                    params=chosen,
                )
        if cluster and cluster.volume_writer:
            kubernetes.set_security_context(raw, run_as_user=int(cluster.volume_writer))
        for task in (configured, raw, checked, prepared, trained, measured, registered):
            _equip(task, cluster, cached=cached)
        # What `latest` means, what a volume holds, and who is champion: each is a new question every time.
        for task in (configured, raw, registered):
            task.set_caching_options(False)
        _with_variables(raw, settings.STORE)
        _with_variables(registered, (*settings.STORE, *settings.REGISTRY))

    return training  # type: ignore[no-any-return]


@contextmanager
def _shared_volume(cluster: Cluster | None) -> Iterator[Any]:
    """Give the claim of the volume that steps share; one made for the run is deleted however the run ends."""
    if cluster is None or cluster.volume:
        yield cluster and cluster.volume
        return
    # Named by the run, so that the exit task knows it without waiting for the task that makes it.
    claim = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    # An empty name wouldn't be the cluster's default class, but none: such a volume is never made.
    chosen = {"storage_class_name": cluster.storage_class} if cluster.storage_class else {}
    made = kubernetes.CreatePVC(
        pvc_name=claim, access_modes=["ReadWriteOnce"], size=settings.VOLUME_SIZE, **chosen
    )
    removed = kubernetes.DeletePVC(pvc_name=claim)
    for task in (made, removed):
        task.set_caching_options(False)
    with dsl.ExitHandler(removed, name="training"):
        yield made.outputs["name"]


def _mount(task: dsl.PipelineTask, claim: Any) -> None:
    if claim:
        kubernetes.mount_pvc(task, pvc_name=claim, mount_path=settings.MOUNT)


def _equip(task: dsl.PipelineTask, cluster: Cluster | None, *, cached: bool) -> None:
    task.set_caching_options(cached)
    if cluster is None:
        return
    needs = settings.STEPS[task.name]
    task.set_container_image(cluster.image)
    task.set_cpu_request(needs.cpu).set_cpu_limit(needs.cpu_limit)
    task.set_memory_request(needs.memory).set_memory_limit(needs.memory_limit)
    kubernetes.set_timeout(task, needs.seconds)
    if task.name in settings.TRANSIENT:
        task.set_retry(
            settings.RETRIES,
            backoff_duration=settings.RETRY_PAUSE,
            backoff_factor=2.0,
            backoff_max_duration=settings.RETRY_PAUSE_LIMIT,
        )


def _with_variables(task: dsl.PipelineTask, names: tuple[str, ...]) -> None:
    # Optional: where a pod's own identity opens the store, the secret holds no keys.
    kubernetes.use_secret_as_env(
        task, secret_name=settings.SECRET, secret_key_to_env={name: name for name in names}, optional=True
    )
