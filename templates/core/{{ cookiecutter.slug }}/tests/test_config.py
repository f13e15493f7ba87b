import pytest

from {{ cookiecutter.package }} import config
from {{ cookiecutter.package }}.errors import ConfigError

from support import ROOT


def test_the_project_s_own_parameters_are_valid():
    flat = config.load(ROOT / "params.yaml").flat()
    assert flat["model.kind"] in {"blend", "boosting", "linear"}
    assert 0 < flat["split.test_size"] < 1


def test_what_is_left_out_keeps_its_default():
    assert config.parse(None) == config.Params()
    assert config.parse({"model": {"max_iter": 3}}).model == config.ModelParams(max_iter=3)


def test_whole_numbers_may_come_as_floats_and_floats_as_whole_numbers():
    params = config.parse({"model": {"max_iter": 3.0, "l2_regularization": 1}})
    assert (params.model.max_iter, params.model.l2_regularization) == (3, 1.0)
    assert isinstance(params.model.max_iter, int)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "must hold names and values"),
        ({"modell": {}}, "no parameter modell"),
        ({"model": {"max_iterations": 3}}, "no parameter max_iterations"),
        ({"model": {"max_iter": "many"}}, "must be int"),
        ({"model": {"max_iter": True}}, "must be int"),
        ({"model": {"max_iter": 2.5}}, "must be int"),
        ({"model": {"kind": "magic"}}, "one of blend, boosting, linear"),
        ({"split": {"test_size": 1.0}}, "between 0 and 1"),
        ({"gate": {"tolerance": float("nan")}}, "from 0, below 1"),
    ],
)
def test_anything_else_is_refused_with_its_name(document, message):
    with pytest.raises(ConfigError, match=message):
        config.parse(document)


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="root folder"):
        config.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("model: [")
    with pytest.raises(ConfigError, match="isn't valid YAML"):
        config.load(tmp_path / "params.yaml")
