"""The parameters of a training run: params.yaml as frozen dataclasses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import yaml

from .errors import ConfigError

PARAMS = Path("params.yaml")
Kind = Literal["blend", "boosting", "linear"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SplitParams:
    """How rows are held back for the evaluation.

    Attributes:
        test_size: share of the rows, 0 < test_size < 1; the latest ones where the data has a time column.
        seed: shuffles the rows where it has none.
    """

    test_size: float = 0.2
    seed: int = 17

    def __post_init__(self) -> None:
        _require("split.test_size", self.test_size, 0 < self.test_size < 1, "between 0 and 1")
        _require("split.seed", self.seed, 0 <= self.seed < 2**32, "from 0 to 4294967295")


@dataclass(frozen=True, slots=True)
class ModelParams:
    """What is trained.

    Attributes: kind: "linear", "boosting", or "blend": the mean of both. learning_rate: how much each tree
        adds, 0 < learning_rate <= 1. max_iter: number of trees (for several classes: per class).
        max_leaf_nodes: leaves of a tree. min_leaf_share: smallest leaf as a share of the training rows, so
        that it fits both small and large data. l2_regularization: shrinks the leaves. max_features: share of
        the features that each split may choose from, 0 < max_features <= 1. seed: makes a training run
        repeatable.
    """

    kind: Kind = "blend"
    learning_rate: float = 0.05
    max_iter: int = 200
    max_leaf_nodes: int = 8
    min_leaf_share: float = 0.01
    l2_regularization: float = 10.0
    max_features: float = 0.3
    seed: int = 17

    def __post_init__(self) -> None:
        _require("model.kind", self.kind, self.kind in get_args(Kind), f"one of {', '.join(get_args(Kind))}")
        _require("model.learning_rate", self.learning_rate, 0 < self.learning_rate <= 1, "above 0, at most 1")
        _require("model.max_iter", self.max_iter, 1 <= self.max_iter <= 10_000, "from 1 to 10000")
        _require(
            "model.max_leaf_nodes", self.max_leaf_nodes, 2 <= self.max_leaf_nodes <= 10_000, "from 2 to 10000"
        )
        _require(
            "model.min_leaf_share", self.min_leaf_share, 0 <= self.min_leaf_share < 0.5, "from 0, below 0.5"
        )
        _require("model.l2_regularization", self.l2_regularization, self.l2_regularization >= 0, "0 or more")
        _require("model.max_features", self.max_features, 0 < self.max_features <= 1, "above 0, at most 1")
        _require("model.seed", self.seed, 0 <= self.seed < 2**32, "from 0 to 4294967295")


@dataclass(frozen=True, slots=True)
class CrossValidationParams:
    """How model and baseline are compared on the training rows.

    Attributes:
        folds: how often both are fitted and scored, from 2 to 20; 0 leaves it out.
        max_rows: with more training rows than this it is left out: the test rows are then many enough to tell
            the two apart, and the time is better spent on the model itself.
    """

    folds: int = 5
    max_rows: int = 100_000

    def __post_init__(self) -> None:
        _require(
            "cross_validation.folds",
            self.folds,
            self.folds == 0 or 2 <= self.folds <= 20,
            "0, or from 2 to 20",
        )
        _require("cross_validation.max_rows", self.max_rows, self.max_rows >= 0, "0 or more")


@dataclass(frozen=True, slots=True)
class GateParams:
    """When a new model replaces the champion.

    Attributes:
        tolerance: how far the new model's main metric may lie below the baseline's in cross-validation; and,
            if it learned from other data, below the champion's on the same test rows: what champions give
            away in this way counts together, until a better one comes.
    """

    tolerance: float = 0.005

    def __post_init__(self) -> None:
        _require("gate.tolerance", self.tolerance, 0 <= self.tolerance < 1, "from 0, below 1")


@dataclass(frozen=True, slots=True)
class Params:
    """All parameters of a training run."""

    split: SplitParams = field(default_factory=SplitParams)
    model: ModelParams = field(default_factory=ModelParams)
    cross_validation: CrossValidationParams = field(default_factory=CrossValidationParams)
    gate: GateParams = field(default_factory=GateParams)

    def flat(self) -> dict[str, str | int | float]:
        """Return every parameter under its dotted name, such as `model.max_iter`."""
        return {
            f"{group}.{name}": value
            for group, values in asdict(self).items()
            for name, value in values.items()
        }


def load(path: Path = PARAMS) -> Params:
    """Read the parameters of a run.

    Args:
        path: a YAML file with the groups of `Params`; what it leaves out keeps its default.

    Raises:
        ConfigError: the file is missing, isn't YAML, or names something unknown or out of range.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} doesn't exist here", "run this in the project's root folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} isn't valid YAML: {error}") from None
    return parse(document)


def parse(document: Any) -> Params:
    """Turn parsed YAML into parameters.

    Raises:
        ConfigError: it holds an unknown name, a wrong type or a value out of range.
    """
    groups = _mapping(document, "params.yaml")
    _known(groups, tuple(item.name for item in fields(Params)), "params.yaml")
    return Params(
        split=_build(SplitParams, groups.get("split"), "split"),
        model=_build(ModelParams, groups.get("model"), "model"),
        cross_validation=_build(CrossValidationParams, groups.get("cross_validation"), "cross_validation"),
        gate=_build(GateParams, groups.get("gate"), "gate"),
    )


def update_model(new: ModelParams, path: Path = PARAMS) -> dict[str, tuple[Any, Any]]:
    """Write model parameters into the parameters' file; its comments, order and other groups stay.

    Returns:
        The old and the new value of each parameter that changed.

    Raises:
        ConfigError: the file is missing or invalid.
    """
    from ruamel.yaml import YAML

    old = load(path).model
    changed = {
        item.name: (getattr(old, item.name), getattr(new, item.name))
        for item in fields(new)
        if getattr(old, item.name) != getattr(new, item.name)
    }
    if not changed:
        return {}
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 10_000  # never wrap a line
    document = editor.load(path) or {}
    if not document.get("model"):
        document["model"] = {}
    for name, (_, value) in changed.items():
        document["model"][name] = value
    # In one step: an interrupted run must not leave half a file.
    written = path.with_name(f".{path.name}.new")
    editor.dump(document, written)
    written.replace(path)
    return changed


def _build(kind: type[_T], values: Any, group: str) -> _T:
    given = _mapping(values, group)
    defaults = {item.name: getattr(kind(), item.name) for item in fields(kind)}  # type: ignore[arg-type]
    _known(given, tuple(defaults), group)
    return kind(
        **{name: _same_type(f"{group}.{name}", value, defaults[name]) for name, value in given.items()}
    )


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{name} must hold names and values, not {value!r}")
    return value


def _known(given: dict[str, Any], names: tuple[str, ...], group: str) -> None:
    unknown = [str(name) for name in given if name not in names]
    if unknown:
        raise ConfigError(f"{group} has no parameter {', '.join(unknown)}", f"known are: {', '.join(names)}")


def _same_type(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        # Kubeflow hands parameters over as JSON numbers, which its protocol buffers keep as floats.
        return int(value)
    if type(value) is not type(default):
        raise ConfigError(f"{name} must be {type(default).__name__}, not {value!r}")
    return value


def _require(name: str, value: object, valid: bool, wanted: str) -> None:  # noqa: FBT001
    if not valid:
        raise ConfigError(f"{name} is {value!r}; it must be {wanted}")
