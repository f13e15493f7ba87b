"""Files as people write them: those of the project's form are read strictly, and others are made into it."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest

from {{ cookiecutter.package }} import tables
from {{ cookiecutter.package }}.errors import DataError
from {{ cookiecutter.package }}.schema import CsvForm

FOREIGN = CsvForm(encoding="cp1252", separator=";", decimal=",", thousands=".")


@pytest.fixture
def scratch(tmp_path):
    """Where a file goes that is made of another."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def written(tmp_path, content, name="part.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_text_stays_text_and_numbers_become_numbers(tmp_path):
    path = written(tmp_path, '\ufeffa,b,c\n 01 ,1.5,"x\ny"\n\n"NA", ,\n')
    frame = tables.read(path, ["c", "a", "b"], ["b"])
    assert list(frame.columns) == ["c", "a", "b"]
    assert frame["a"].tolist() == ["01", None]
    assert frame["c"].tolist() == ["x\ny", None]
    np.testing.assert_array_equal(pd.to_numeric(frame["b"]), [1.5, np.nan])


def test_a_word_among_numbers_is_there_to_be_shown(tmp_path):
    frame = tables.read(written(tmp_path, "a,b\n1,2\nlong,3\n"), ["a", "b"], ["a", "b"])
    assert frame["a"].tolist() == ["1", "long"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c\n1,2,3,\n4,5,6,\n", "line 2: 4 values where the header names 3 columns"),
        ("a,b,c\n1,2,3\n4,5\n", "line 3: 2 values"),
        ('a,b,c\n1,2,3\n4,5,"6\n7,8,9\n', "line 3: unexpected end of data"),
        (b"a,b,c\n1,2,\xe9\n", "UTF-8 text"),
        ("", "is empty"),
    ],
)
def test_a_file_with_shifted_or_broken_rows_is_refused(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message):
        tables.read(path, ["a", "b"], ["a"])


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="several columns named a"):
        tables.columns(written(tmp_path, "a,b,a\n1,2,3\n"))


def test_another_form_becomes_the_projects_own(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(tables, "ARRIVING", FOREIGN)
    lines = 'größe;preis;code;zone\n1,5;"1.847,50";1.234;é\n-3;12;x;"a;b"\n'
    path = written(tmp_path, lines.encode("cp1252"), "mar.txt")
    made = tables.own(path, ["größe", "preis"], ["größe", "preis"], scratch)
    assert made.name == "mar.csv"
    with made.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["größe", "preis", "code", "zone"],
            ["1.5", "1847.50", "1.234", "é"],
            ["-3", "12", "x", "a;b"],
        ]


def test_a_file_of_the_projects_own_form_is_taken_as_it_is(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(tables, "ARRIVING", FOREIGN)
    path = written(tmp_path, "a,b\n1.5,é\n")
    assert tables.own(path, ["a", "b"], ["a"], scratch) == path


def test_a_mark_that_could_mean_either_is_read_as_the_form_says(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(tables, "ARRIVING", CsvForm(thousands=","))
    made = tables.own(written(tmp_path, 'a,b\n"1,847",1.5\n'), ["a"], ["a", "b"], scratch)
    assert tables.read(made, ["a", "b"], ["a", "b"]).to_numpy().tolist() == [[1847.0, 1.5]]


def test_blanks_after_the_commas_belong_to_nothing(tmp_path, scratch, monkeypatch):
    monkeypatch.setattr(tables, "ARRIVING", CsvForm())
    path = written(tmp_path, 'a, "b", c\n1, "x, y",  z\n')
    made = tables.own(path, ["a", "b", "c"], ["a"], scratch)
    assert tables.read(made, ["b", "c"]).to_numpy().tolist() == [["x, y", "z"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;c\n1;2\n", "lacks the columns b"),
        ("a;b\n1;2;3\n", "line 2: 3 values"),
        ('a;b\n1;"2\n', "line 2: unexpected end of data"),
        (b"a;b\n1;\x81\n", "CP1252 text"),
    ],
)
def test_a_flaw_in_another_form_is_named(tmp_path, scratch, monkeypatch, content, message):
    monkeypatch.setattr(tables, "ARRIVING", FOREIGN)
    with pytest.raises(DataError, match=message):
        tables.own(written(tmp_path, content), ["a", "b"], ["a"], scratch)
