import hashlib
import json
import pickle
import shutil
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import skops.io

from {{ cookiecutter.package }} import canonical, config, data, model
from {{ cookiecutter.package }}.errors import DataError, UntrustedModelError
from {{ cookiecutter.package }}.schema import (
    CATEGORICAL,
    DATES,
    FEATURES,
    NUMERIC,
    TARGET,
    TASK,
)

from support import changed


@pytest.fixture
def stored(trained, tmp_path):
    """A copy of the stored model that a test may damage."""
    return shutil.copytree(trained.model, tmp_path / "model")


@pytest.mark.parametrize("kind", ["blend", "boosting", "linear"])
def test_every_kind_of_model_survives_storage(trained, tmp_path, kind):
    rows = trained.train_rows
    fitted = model.fit(config.ModelParams(kind=kind, max_iter=5), rows)
    sha256 = model.save(fitted, tmp_path / kind, rows=len(rows))
    loaded = model.load(tmp_path / kind, sha256)
    pd.testing.assert_frame_equal(model.predict(fitted, rows), model.predict(loaded, rows))
    card = json.loads((tmp_path / kind / model.CARD_FILE).read_text())
    assert (card["sha256"], card["features"], card["rows"]) == (sha256, list(FEATURES), len(rows))


def test_what_is_stored_names_no_place_in_memory_and_no_time(trained):
    with ZipFile(trained.model / model.MODEL_FILE) as archive:
        entries = archive.infolist()
        schema = json.loads(archive.read("schema.json"))
    assert [entry.filename.partition(".")[0] for entry in entries[:-1]] == [
        str(number) for number in range(len(entries) - 1)
    ]
    assert {entry.date_time for entry in entries} == {canonical.LONG_AGO}
    assert schema["__id__"] < 100_000


def test_equal_numbers_are_stored_alike_whether_they_are_one_object_or_two():
    one, other = float("0.25"), float("0.25")
    assert one is not other
    stored = canonical.skops(skops.io.dumps([one, other]))
    assert stored == canonical.skops(skops.io.dumps([one, one])) == canonical.skops(stored)
    assert skops.io.loads(stored) == [0.25, 0.25]


def test_predictions_have_the_promised_form(trained):
    rows = trained.test_rows.set_index(np.arange(len(trained.test_rows)) + 7)
    found = model.predict(model.load(trained.model), rows)
    assert found.index.equals(rows.index)
    if TASK == "regression":
        assert list(found.columns) == ["prediction"]
        assert np.isfinite(found["prediction"]).all()
    else:
        assert list(found.columns) == ["prediction", "probability"]
        assert set(found["prediction"]) <= set(
            json.loads((trained.model / model.CARD_FILE).read_text())["classes"]
        )
        assert found["probability"].between(0, 1).all()


@pytest.mark.skipif(TASK != "classification", reason="a regression has no probabilities")
def test_the_probability_is_that_of_the_larger_of_two_labels_or_of_the_predicted_one(trained):
    fitted, rows = model.load(trained.model), trained.test_rows
    scores, found = model.answers(fitted, rows), model.predict(fitted, rows)
    expected = scores[:, 1] if scores.shape[1] == 2 else scores.max(axis=1)
    np.testing.assert_allclose(found["probability"], expected)
    assert list(fitted.classes_) == sorted(fitted.classes_)


def test_one_row_gets_the_same_answer_as_among_many(trained):
    fitted, rows = model.load(trained.model), trained.test_rows
    last = "prediction" if TASK == "regression" else "probability"
    many, one = model.predict(fitted, rows)[last], model.predict(fitted, rows.tail(1))[last]
    np.testing.assert_allclose(one.iloc[0], many.iloc[-1])


def test_missing_values_and_unknown_categories_are_answered(trained):
    empty = dict.fromkeys(FEATURES)
    strange = empty | dict.fromkeys(CATEGORICAL, "never seen before") | dict.fromkeys(NUMERIC, 1e9)
    assert len(model.predict(model.load(trained.model), pd.DataFrame([empty, strange]))) == 2


def test_a_missing_feature_is_refused(trained):
    with pytest.raises(DataError, match="lack the features"):
        model.predict(model.load(trained.model), trained.test_rows.drop(columns=FEATURES[0]))


def test_training_is_repeatable(trained):
    params, rows = config.ModelParams(max_iter=5), trained.train_rows
    first, second = (model.answers(model.fit(params, rows), rows) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_training_takes_an_empty_column(trained):
    rows = trained.train_rows
    if NUMERIC:
        rows[NUMERIC[0]] = np.nan
    for name in CATEGORICAL:
        rows[name] = np.nan
    for name in DATES:
        rows[name] = pd.NaT
    fitted = model.fit(config.ModelParams(max_iter=2), rows)
    assert len(model.predict(fitted, rows)) == len(rows)


def test_a_changed_file_is_not_loaded(stored):
    path = stored / model.MODEL_FILE
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UntrustedModelError, match="isn't the registered model"):
        model.load(stored)


def test_another_model_than_the_registered_one_is_not_loaded(stored):
    with pytest.raises(UntrustedModelError, match="make rollback"):
        model.load(stored, "0" * 64)


def test_an_incomplete_folder_is_not_loaded(stored):
    (stored / model.MODEL_FILE).unlink()
    with pytest.raises(UntrustedModelError, match="no complete model"):
        model.load(stored)


class Evil:
    """What a pickle can hide: a call made by loading it."""

    def __reduce__(self):
        return (open, ("executed", "w"))


def test_a_pickle_is_never_run(stored, tmp_path):
    content = pickle.dumps(Evil())
    (stored / model.MODEL_FILE).write_bytes(content)
    with pytest.raises(UntrustedModelError, match="isn't a skops file"):
        model.load(stored, hashlib.sha256(content).hexdigest())
    assert not (tmp_path / "executed").exists()


def test_types_that_are_not_listed_are_neither_stored_nor_loaded(stored, trained):
    import os

    from sklearn.preprocessing import FunctionTransformer

    evil = model.build(config.ModelParams(), 10)
    evil.steps.append(("evil", FunctionTransformer(os.system)))
    with pytest.raises(UntrustedModelError, match="system"):
        model.save(evil, stored)
    content = skops.io.dumps(evil)
    (stored / model.MODEL_FILE).write_bytes(content)
    with pytest.raises(UntrustedModelError, match="system"):
        model.load(stored, hashlib.sha256(content).hexdigest())


def test_the_target_is_not_among_the_inputs(trained):
    rows = trained.test_rows
    assert TARGET not in data.features(rows).columns
    turned = changed(rows, TARGET, rows[TARGET].iloc[::-1].to_numpy())
    fitted = model.load(trained.model)
    np.testing.assert_array_equal(model.answers(fitted, rows), model.answers(fitted, turned))
