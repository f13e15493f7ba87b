"""Data comes in: with the real DVC, in a Git repository."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from {{ cookiecutter.package }} import data, intake
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import TARGET

from support import ROOT, SAMPLE


@pytest.fixture
def repository(tmp_path):
    """A Git repository with this project's DVC settings and its sample."""
    subprocess.run(["git", "init", "--quiet"], check=True)
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", "data/.gitignore", str(intake.SAMPLE)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def recorded():
    return yaml.safe_load(intake.RECORD.read_text())["outs"][0]["md5"]


def content(folder):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


def test_a_new_project_starts_with_its_sample_and_gets_lost_files_back(repository):
    version = intake.start()
    assert version == recorded() == data.version(data.RAW)
    shutil.rmtree(data.RAW)
    assert intake.start() == version
    assert data.version(data.RAW) == version


def test_good_files_come_in_one_after_another(repository, frame):
    remarks = []
    data.RAW.mkdir(parents=True)
    shutil.copyfile(SAMPLE, data.RAW / "sample.csv")
    frame.head(9).to_parquet("new.parquet")
    assert intake.add(Path("new.parquet"), tell=remarks.append) == recorded()
    assert sorted(path.name for path in data.RAW.iterdir()) == ["new.parquet", "sample.csv"]
    assert remarks == []
    assert intake.add(Path("new.parquet"), replace=True) == recorded()
    assert [path.name for path in data.RAW.iterdir()] == ["new.parquet"]


def test_a_folder_that_is_not_the_tracked_one_is_none_of_dvcs_business(tmp_path, frame):
    folder = tmp_path / "copy"
    folder.mkdir()
    shutil.copyfile(SAMPLE, folder / "sample.csv")
    frame.head(9).to_parquet("new.parquet")
    before = intake.start(folder)
    assert before == data.version(folder)
    assert intake.add(Path("new.parquet"), folder=folder) == data.version(folder) != before
    assert not intake.RECORD.exists()


def test_bad_files_change_nothing(repository, raw, frame):
    before = content(raw.parent)
    frame.assign(**{TARGET: None}).to_csv("bad.csv", index=False)
    frame.head(3).to_csv("sample.csv", index=False)
    Path("table.xlsx").touch()
    for name, message in (
        ("bad.csv", "not filled"),
        ("sample.csv", "exists with other content"),
        ("table.xlsx", "neither"),
        ("nowhere.csv", "isn't a file"),
    ):
        with pytest.raises(DataError, match=message):
            intake.add(Path(name), replace=name == "bad.csv")
    assert content(raw.parent) == before


def test_outside_git_dvc_s_own_words_are_shown(raw, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    with pytest.raises(DataError, match="dvc add failed"):
        intake.start()
