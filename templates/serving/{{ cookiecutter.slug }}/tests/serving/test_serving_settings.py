"""Settings out of the environment."""

from __future__ import annotations

import pytest

from {{ cookiecutter.package }}.errors import ConfigError
from {{ cookiecutter.package }}.serving.__main__ import main
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
        "AWS_ENDPOINT_URL": "localhost:9000",
        "DRAIN_SECONDS": "20",
    }
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment(bad)
    message = str(caught.value)
    assert all(name in message for name in bad)
    assert "MAX_BODY_BYTES is '1'; it must be a whole number of at least 1024" in message


@pytest.mark.parametrize("address", ["host", "ftp://host", "http://", "http://host:99999", "http://[::1"])
def test_a_store_at_no_address_is_refused_at_once(address):
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL is "):
        Settings.from_environment({"AWS_ENDPOINT_URL": address})


def test_a_store_at_an_address_is_taken():
    Settings.from_environment({"AWS_ENDPOINT_URL": "https://store.example:9000/path"})
    Settings.from_environment({"AWS_ENDPOINT_URL": ""})


@pytest.mark.parametrize("days", ["nan", "1e12", "99999999", "-1", "0", "soon"])
def test_a_number_of_days_that_is_none_is_refused_in_a_sentence(capsys, days):
    with pytest.raises(SystemExit) as caught:
        main(["collect", "--days", days])
    assert caught.value.code == 2
    assert "give one above 0" in capsys.readouterr().err
