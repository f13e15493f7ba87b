"""Reading a person's file: dialects, encodings, Parquet types, and what is wrong with a bad file."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seedbed.data.numbers import NumberForm, foreign_form
from seedbed.data.source import local_file
from seedbed.data.table import open_table
from seedbed.errors import SpecError


def rows(path, encoding="utf-8", columns=None):
    table = open_table(path, encoding)
    names = list(columns or table.columns)
    return names, [tuple(row[name] for name in names) for batch in table.batches(columns) for row in batch.to_pylist()]


def write(path, content, encoding="utf-8"):
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    text = 'a,b\n1,"x, y; z"\n2,\n'.replace(",", separator).replace(f"x{separator} y", "x, y")
    assert rows(write(tmp_path / "x.csv", text)) == (["a", "b"], [("1", "x, y; z"), ("2", None)])


def test_decimal_commas_do_not_outvote_the_separator(tmp_path):
    assert rows(write(tmp_path / "x.csv", "a;b;c\n1,5;2,5;3,5\n"))[1] == [("1,5", "2,5", "3,5")]


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8-sig", "utf-8"), ("latin-1", "latin-1"), ("utf-16", "utf-16"), ("cp1252", "cp1252")]
)
def test_encodings(tmp_path, encoding, named):
    assert rows(write(tmp_path / "x.csv", "größe,b\né,1\n", encoding), named) == (["größe", "b"], [("é", "1")])


def test_quotes_lines_and_blank_names(tmp_path):
    text = ',"a ""b""",c\n0,"two\nlines",NA\n\n1,,null\n'
    assert rows(write(tmp_path / "x.csv", text)) == (
        ["Unnamed: 0", 'a "b"', "c"],
        [("0", "two\nlines", None), ("1", None, None)],
    )


@pytest.mark.parametrize(
    "text",
    [
        "a, b , c\n 1,  x y,NA \n",
        'a, "b", c\n1, "x y", NA\n',
        '"a",    "b","c"\n1, "x y",\n',
        'a\t "b"\tc\n1\t"x y"\t\n',
    ],
)
def test_blanks_around_values_belong_to_nothing(tmp_path, text):
    assert rows(write(tmp_path / "x.csv", text)) == (["a", "b", "c"], [("1", "x y", None)])


def test_a_separator_inside_of_quotes_after_a_blank_is_text(tmp_path):
    lines = "".join(f'{n}, "x, ""y"" {n}"\n' for n in range(5_000))
    names, found = rows(write(tmp_path / "x.csv", f'a, "b"\n{lines}'))
    assert (names, len(found), found[-1]) == (["a", "b"], 5_000, ("4999", 'x, "y" 4999'))
    with pytest.raises(SpecError, match="line 5002: 3 values where the header names 2 columns"):
        rows(write(tmp_path / "x.csv", f'a, "b"\n{lines}1,2,3\n'))


def test_a_quotation_mark_that_stays_open_is_found_in_columns_that_are_not_asked_for(tmp_path):
    with pytest.raises(SpecError, match="line 2: unexpected end of data"):
        rows(write(tmp_path / "x.csv", 'a,b\n1,"never closed\n' + "2,3\n" * 9), columns=["a"])


@pytest.mark.parametrize(
    ("decimal", "thousands", "values", "expected"),
    [
        (",", "", ["1,5", "-2", "1.5", "x,y", "1,5e3"], ["1.5", "-2", "1.5", "x,y", "1.5e3"]),
        (",", ".", ["1.847,50", "3,5", "1.84", "0.100"], ["1847.50", "3.5", "1.84", "0.100"]),
        (".", ",", ["1,847", "13,528.40", "1,84", "120"], ["1847", "13528.40", "1,84", "120"]),
        (",", " ", ["1 234,5", "1\u202f234", "1 23"], ["1234.5", "1234", "1 23"]),
        (".", "'", ["1'234'567.8"], ["1234567.8"]),
        (".", "", ["1,5", "7"], ["1,5", "7"]),
    ],
)
def test_numbers_are_written_plainly(decimal, thousands, values, expected):
    assert NumberForm(decimal, thousands).plain(pa.array(values)).to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1.5", "-2", "3e5"], ""),
        (["1,5", "x"], ""),
        (["1,5", "2"], "with a decimal comma ('1,5'): read them with --decimal ,"),
        (["13,528.40", "5.00"], "with commas between the thousands ('13,528.40'): read them with --thousands ,"),
        (["1,847", "120"], "may be a decimal comma or between thousands: say --decimal , or --thousands ,"),
        (["1.847,50", "3,5"], "points between the thousands and a decimal comma"),
        (["1 234,5"], "read them with --thousands ' ' --decimal ,"),
        (["1'234"], 'read them with --thousands "\'"'),
        (["$71.31", "$2"], "with a sign of a currency or of percent ('$71.31'): write them as plain numbers"),
        (["76.2%", "3%"], "with a sign of a currency or of percent ('76.2%')"),
    ],
)
def test_how_numbers_are_written_is_seen(values, said):
    found = foreign_form(values)
    assert said in found
    assert bool(said) == bool(found)


def test_some_columns_in_another_order(tmp_path):
    assert rows(write(tmp_path / "x.csv", "a,b,c\n1,2,3\n"), columns=["c", "a"])[1] == [("3", "1")]


def test_every_type_of_a_parquet_file_becomes_text(tmp_path):
    from datetime import UTC, date, datetime
    from decimal import Decimal

    moment = datetime(2024, 5, 31, 14, tzinfo=UTC)
    columns = {
        "i": pa.array([1, None]), "f": pa.array([0.5, float("nan")]), "b": pa.array([True, False]),
        "s": pa.array(["é", "NA"]), "c": pa.array(["x", "y"]).dictionary_encode(), "d": pa.array([date(2024, 5, 31)] * 2),
        "t": pa.array([moment] * 2, pa.timestamp("us", "Europe/Paris")), "m": pa.array([Decimal("1.50")] * 2),
        "list": pa.array([[1], [2]]), "__index_level_0__": pa.array([0, 1]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    names, found = rows(tmp_path / "x.parquet")
    assert names == ["i", "f", "b", "s", "c", "d", "t", "m", "list"]
    assert found == [
        ("1", "0.5", "true", "é", "x", "2024-05-31", "2024-05-31 14:00:00.000000Z", "1.50", None),
        (None, None, "false", None, "y", "2024-05-31", "2024-05-31 14:00:00.000000Z", "1.50", None),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"a,b\n", "a header and no rows"),
        (b"a\n1\n2\n", "one column, 'a'"),
        (b"1.5,2.5\n3,4\n", "no header: its first line holds numbers"),
        (b"a,b,a\n1,2,3\n", "several columns named 'a'"),
        (b'a,b\n1,2\n\n"x\ny",3\n1,2,3\n', "line 6: 3 values where the header names 2 columns"),
        (b"a,b\n1\n", "line 2: 1 values"),
        (b"a,b\n1,2,\n3,4,\n", "line 2: 3 values"),
        (b"a,b\n\x00\x01,2\n", "not text: byte 5 is zero"),
        (b"PK\x03\x04....", "a ZIP archive or an Excel workbook"),
        (b"\x1f\x8b....", "compressed with gzip"),
        ("a,b\n1,2\n3,é\n".encode("latin-1"), "not CSV text in UTF-8: byte 0xe9 at position 11, line 3"),
        (b"a,b\n" + b"1,2\n" * 100_000 + b"3,\xe9\n", "byte 0xe9 at position 400007, line 100002"),
        (b"PAR1 and no more", "not a complete Parquet file"),
        (b'a,b\n1,"never closed\n' + b"2,3\n" * 9, "line 2: unexpected end of data"),
        (b'a,b\n1,"never closed\n' + b"2,3\n" * 3_000_000, "a row of more than 1 MB"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(tmp_path, content, message):
    path = write(tmp_path / "x.csv", content)
    with pytest.raises(SpecError) as error:
        rows(path)
    assert message in error.value.message
    assert error.value.hint


def test_a_cut_off_parquet_file_is_refused(tmp_path):
    pq.write_table(pa.table({"a": list(range(10_000)), "b": ["x"] * 10_000}), tmp_path / "whole.parquet")
    content = (tmp_path / "whole.parquet").read_bytes()
    path = write(tmp_path / "cut.parquet", content[: len(content) // 2])
    with pytest.raises(SpecError, match="not a complete Parquet file"):
        rows(path)


def test_an_empty_parquet_file_and_an_unknown_encoding_are_refused(tmp_path):
    pq.write_table(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.int64())}), tmp_path / "x.parquet")
    with pytest.raises(SpecError, match="columns and no rows"):
        open_table(tmp_path / "x.parquet")
    with pytest.raises(SpecError, match="Python knows no encoding 'klingon'"):
        open_table(write(tmp_path / "x.csv", "a,b\n1,2\n"), "klingon")


def test_a_missing_file_has_a_hint(tmp_path):
    write(tmp_path / "flights.csv", "a,b\n1,2\n")
    for source, hint in (
        ("flight.csv", f"Is it {tmp_path / 'flights.csv'}?"),
        ("x/flights.csv", "A relative path starts"),
    ):
        with pytest.raises(SpecError) as error, local_file(source, tmp_path):
            pass
        assert error.value.hint.startswith(hint)


def test_a_path_that_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source, message in (
        ("nothing.csv", "there is no file"),
        (".", "is a folder"),
        ("pipe", "not a regular file"),
        ("https://localhost/x.csv", "neither a path nor an S3 URL"),
        ("s3://bucket", "names no object"),
        ("s3://bucket/folder/", "names no object"),
    ):
        with pytest.raises(SpecError, match=message), local_file(source, tmp_path):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", "a,b\n1,2\n")
    path.chmod(0)
    with pytest.raises(SpecError, match="can't be read"), local_file(str(path), tmp_path):
        pass
