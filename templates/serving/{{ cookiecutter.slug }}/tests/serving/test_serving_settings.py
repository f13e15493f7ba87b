"""Settings out of the environment."""

from __future__ import annotations

import pytest

from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.serving.settings import Settings


def test_what_is_not_set_keeps_its_default():
    assert Settings.from_environment({"MAX_ROWS": ""}) == Settings()


def test_values_are_read_by_type():
    read = Settings.from_environment(
        {"MAX_ROWS": "7", "MODEL_POLL_SECONDS": "0.5", "PREDICTION_LOG": "elsewhere"}
    )
    assert (read.max_rows, read.model_poll_seconds, read.prediction_log) == (7, 0.5, "elsewhere")


def test_every_bad_value_is_named_with_what_is_allowed():
    bad = {
        "MAX_ROWS": "many",
        "MAX_BODY_BYTES": "1",
        "MODEL_POLL_SECONDS": "nan",
        "BODY_TIMEOUT_SECONDS": "inf",
        "PREDICTION_LOG": "s3://Bucket",
    }
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(bad)
    message = str(caught.value)
    assert all(name in message for name in bad)
    assert "MAX_BODY_BYTES is '1'; it must be a whole number of at least 1024" in message
