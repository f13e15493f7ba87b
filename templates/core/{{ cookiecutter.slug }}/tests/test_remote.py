"""Which store DVC talks to: that of the environment whose variables are set."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from {{ cookiecutter.package }} import remote
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import PROJECT

from support import ROOT

CONFIGURATION = """\
[core]
    remote = dev
['remote "dev"']
    url = s3://first/dvc
['remote "prod"']
    url = s3://second/dvc/
"""


@pytest.fixture
def configured():
    """A repository whose DVC knows two environments."""
    subprocess.run(["git", "init", "--quiet"], check=True)
    (Path(".dvc")).mkdir()
    remote.CONFIGURATION.write_text(CONFIGURATION, encoding="utf-8")


@pytest.mark.parametrize(("bucket", "name"), [("first", "dev"), ("second", "prod")])
def test_the_bucket_of_the_environment_decides(configured, monkeypatch, bucket, name):
    monkeypatch.setenv("DATA_BUCKET", bucket)
    assert remote.choose() == name
    assert remote.CONFIGURATION.read_text(encoding="utf-8") == CONFIGURATION


def test_without_an_environment_nothing_is_chosen(configured):
    with pytest.raises(DataError, match="DATA_BUCKET"):
        remote.choose()


@pytest.mark.parametrize(
    ("bucket", "name"),
    [(f"{PROJECT}-test-data-123", "test"), ("ours", "elsewhere"), ("unheard-of", "unheard-of")],
)
def test_an_environment_that_came_later_gets_its_remote(configured, monkeypatch, bucket, name):
    Path("seedbed.toml").write_text(
        "[environments.test]\n[environments.elsewhere]\ndata_bucket = 'ours'\n", encoding="utf-8"
    )
    monkeypatch.setenv("DATA_BUCKET", bucket)
    assert remote.choose() == name
    assert f"url = s3://{bucket}/dvc" in remote.CONFIGURATION.read_text(encoding="utf-8")
    assert remote.choose() == name


def test_the_projects_own_configuration_can_be_read(monkeypatch):
    Path(".dvc").mkdir()
    shutil.copyfile(ROOT / remote.CONFIGURATION, remote.CONFIGURATION)
    text = remote.CONFIGURATION.read_text(encoding="utf-8")
    bucket = text.split("url = s3://")[1].split("/")[0]
    monkeypatch.setenv("DATA_BUCKET", bucket)
    assert f'remote "{remote.choose()}"' in text


def test_dvc_s_own_words_are_in_the_error(configured):
    with pytest.raises(DataError, match="nowhere"):
        remote.dvc("remote", "remove", "nowhere")
