"""What is found in a table: kinds, the task, the time, and the columns that are no inputs."""
# ruff: noqa: ARG005, S311 - columns are made from the row's number, a seeded generator, or both

import random
from shlex import quote

import pytest

from seedbed.data.inference import infer
from seedbed.data.profile import profile
from seedbed.data.sampling import Sampler
from seedbed.data.table import open_table
from seedbed.data.target import classes
from seedbed.errors import SpecError

ROWS = 400


def table(tmp_path, **columns):
    """A CSV file of these columns and a two-class target that nothing here explains."""
    noise = random.Random(1)
    columns = {"y": [noise.choice("ab") for _ in range(ROWS)], **columns}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return profile(open_table(path))


def values(make, seed=2):
    source = random.Random(seed)
    return [make(number, source) for number in range(ROWS)]


def found(profile, name, **said):
    return next(column for column in infer(profile, "y", **said).columns if column.name == name)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda n, r: r.randrange(50), "integer"),
        (lambda n, r: -r.random() * 1e5, "number"),
        (lambda n, r: f"{r.randrange(9)}.0", "number"),
        (lambda n, r: r.choice(["True", "false"]), "boolean"),
        (lambda n, r: r.choice(["yes", "no"]), "category"),
        (lambda n, r: r.choice(["01", "02", "10"]), "category"),
        (lambda n, r: r.choice(["0x10", "0x11"]), "category"),
        (lambda n, r: r.choice([5, ""]) if n else 7, "integer?"),
        (lambda n, r: f"202{r.randrange(5)}-02-{r.randrange(1, 29):02}", "date"),
        (lambda n, r: r.choice(["2024-05-31T14:00Z", "2023/01/02 03:04:05.6", "2022-01-01 00:00+02:00"]), "date"),
        (lambda n, r: r.choice(["2024-02-30", "2024-01-01"]), "category"),
        (lambda n, r: r.choice(["9999-12-31", "2024-01-01"]), "category"),
        (lambda n, r: r.choice(["inf", "1", "2"]), "category"),
        (lambda n, r: 2**70 + r.randrange(9), "number"),
    ],
)
def test_kinds(tmp_path, make, kind):
    column = found(table(tmp_path, x=values(make), z=values(lambda n, r: r.random())), "x")
    assert (column.role, column.kind) == ("feature", kind)


def test_one_bad_value_in_the_last_row_decides(tmp_path):
    numbers = [*values(lambda n, r: r.randrange(99))[1:], "n.a."]
    result = infer(table(tmp_path, x=numbers, z=numbers[::-1]), "y")
    assert [column.kind for column in result.columns if column.name == "x"] == ["category"]
    assert "x holds numbers, but also 'n.a.'" in " ".join(result.doubts)


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("x", lambda n, r: "same", "always 'same'"),
        ("x", lambda n, r: "", "is empty"),
        ("x", lambda n, r: "" if n else 5, "is empty in 99.8% of the rows"),
        ("x", lambda n, r: n + 1000, "counts the rows up"),
        ("customer_id", lambda n, r: (n * 7919) % 100_003, "numbers the rows"),
        ("CustomerId", lambda n, r: (n * 7919) % 100_003, "numbers the rows"),
        ("", lambda n, r: (n * 7919) % 100_003, "has no name"),
        ("x", lambda n, r: f"K{(n * 7919) % 100_003}", "names each row"),
        ("x", lambda n, r: f"K{n // 2}x", "has its own value in 50% of the rows"),
        ("x", lambda n, r: " ".join(r.choice(["red", "blue", "green"]) for _ in range(9)), "is free text: 9 words"),
        ("x", lambda n, r: f"{r.randrange(1, 13)}/{r.randrange(1, 29)}/2024", "dates that are not ISO 8601"),
        ("x", lambda n, r: f'"{r.randrange(900)},{r.randrange(10, 99)}"', "numbers with a decimal comma"),
        ("x\u200b", lambda n, r: r.random(), "characters that can't be seen"),
    ],
)
def test_what_is_no_input_is_left_out_with_its_reason(tmp_path, name, make, reason):
    data = table(tmp_path, **{name: values(make)}, z=values(lambda n, r: r.random()))
    column = next(column for column in infer(data, "y").columns if column.name not in {"y", "z"})
    assert column.role == "left out"
    assert reason in column.reason


def test_leaks_are_left_out(tmp_path):
    noise = random.Random(3)
    y = [noise.choice("ab") for _ in range(ROWS)]
    leaks = {
        "copy": y,
        "code": [{"a": 17, "b": 3}[label] for label in y],
        "late": [noise.random() + (label == "a") for label in y],
        "gap": ["" if label == "a" else 5 + noise.randrange(3) for label in y],
    }
    honest = {"good": [noise.random() + (label == "a") if noise.random() < 0.9 else 0.5 for label in y]}
    result = infer(table(tmp_path, y=y, **leaks, **honest), "y")
    reasons = {column.name: column.reason for column in result.columns if column.role == "left out"}
    assert set(reasons) == set(leaks)
    assert reasons["copy"] == reasons["code"] == "says the same as y"
    assert "known only after the fact?" in reasons["late"]


def test_what_knows_far_more_than_the_others_is_doubted(tmp_path):
    noise = random.Random(3)
    y = [noise.choice("ab") for _ in range(ROWS)]
    columns = {f"x{n}": values(lambda n, r: r.random(), n) for n in range(5)}
    columns["after"] = [noise.random() + (label == "a") * 0.7 for label in y]
    columns["paid"] = ["" if label == "a" or noise.random() < 0.8 else noise.random() for label in y]
    result = infer(table(tmp_path, y=y, **columns), "y")
    doubts = " ".join(result.doubts)
    assert "after knows far more about y than others: alone it removes" in doubts
    assert "--column after=drop" in doubts
    assert "paid has one and the same value, or none, wherever y is a" in doubts
    assert not any(f"x{n} " in doubts for n in range(5))
    assert {found.name: found.role for found in result.columns}["after"] == "feature"


def test_where_all_columns_know_much_none_is_doubted(tmp_path):
    noise = random.Random(3)
    y = [noise.choice("ab") for _ in range(ROWS)]
    columns = {f"x{n}": [noise.random() + (label == "a") * 0.7 for label in y] for n in range(5)}
    assert infer(table(tmp_path, y=y, **columns), "y").doubts == ()


@pytest.mark.parametrize("name", ["patient_id", "PatientId", "id", "uuid"])
def test_what_rows_belong_to_is_no_input_but_their_group(tmp_path, name):
    others = {"x": values(lambda n, r: r.random()), "z": values(lambda n, r: r.random(), 5)}
    data = table(tmp_path, **{name: values(lambda n, r: n % 40)}, **others)
    result = infer(data, "y")
    assert (result.group, found(data, name).role) == (name, "group")
    assert f"rows of one {name} are tested together" in " ".join(result.doubts)
    alone = infer(data, "y", group="")
    assert (alone.group, found(data, name, group="").role) == ("", "left out")
    assert "says what rows belong to" in found(data, name, group="").reason
    assert found(data, name, kinds={name: "category"}).role == "feature"
    assert infer(data, "y", group="x").group == "x"


def test_few_values_are_no_groups_and_of_several_the_finest_is(tmp_path):
    x = values(lambda n, r: r.random())
    assert infer(table(tmp_path, vendor_id=values(lambda n, r: r.randrange(5)), x=x), "y").group == ""
    data = table(
        tmp_path, doctor_id=values(lambda n, r: n % 25), patient_id=values(lambda n, r: f"P{n % 100}"),
        visit_id=values(lambda n, r: n * 7919 % 100_003), x=x,
    )  # fmt: skip
    assert infer(data, "y").group == "patient_id"
    assert {found(data, name).role for name in ("doctor_id", "visit_id")} == {"left out"}
    assert found(data, "visit_id").reason == "numbers the rows: all different"


def test_a_time_divides_the_rows_and_groups_are_left(tmp_path):
    seen = sorted(values(lambda n, r: f"2024-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}"))
    columns = {"seen": seen, "patient_id": values(lambda n, r: n % 40), "x": values(lambda n, r: r.random())}
    data = table(tmp_path, **columns)
    result = infer(data, "y")
    assert (result.time, result.group, found(data, "patient_id").role) == ("seen", "", "left out")
    assert "rows of one patient_id are both trained on and tested; `--time '' --group patient_id`" in str(result.doubts)
    chosen = infer(data, "y", group="patient_id")
    assert (chosen.time, chosen.group) == ("", "patient_id")


def test_whole_numbers_that_are_codes_are_doubted(tmp_path):
    columns = {"zip": values(lambda n, r: 10000 + n * 7919 % 300), "size": values(lambda n, r: r.randrange(99))}
    doubts = infer(table(tmp_path, **columns), "y").doubts
    assert [doubt for doubt in doubts if "codes" in doubt] == [
        "zip holds whole numbers that may be codes, by its name: --column zip=category"
    ]


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("sold", lambda n, r: f"May {r.randrange(1, 29)} 2024", "dates that are not ISO 8601 ('May "),
        ("sold", lambda n, r: f"Sept. {r.randrange(1, 29)}", ""),
        ("sold", lambda n, r: f"Room {r.randrange(1, 29)} 2024", ""),
        ("sold", lambda n, r: f"202405{r.randrange(10, 29)}T000000", "dates that are not ISO 8601 ('202405"),
        ("sold", lambda n, r: f"202405{r.randrange(10, 29)}", "dates that are not ISO 8601 (202405"),
        ("sold", lambda n, r: f"202405{r.randrange(10, 40)}", ""),
        ("created_at", lambda n, r: 1_700_000_000 + r.randrange(10**6), "holds seconds since 1970 (1700"),
        ("created_at", lambda n, r: 1_700_000_000_000 + r.randrange(10**6), "holds milliseconds since 1970 (1700"),
        ("revenue", lambda n, r: 1_700_000_000 + r.randrange(10**6), ""),
    ],
)
def test_dates_of_another_form_are_no_numbers_and_no_categories(tmp_path, name, make, reason):
    column = found(table(tmp_path, **{name: values(make)}, z=values(lambda n, r: r.random())), name)
    assert column.role == ("left out" if reason else "feature")
    assert reason in column.reason


@pytest.mark.parametrize(
    ("name", "make", "doubted"),
    [
        ("person", lambda n, r: n // 4, True),
        ("person", lambda n, r: 1 + n // 4, True),
        ("person", lambda n, r: 1900 + n // 4, False),
        ("week", lambda n, r: n // 4, False),
        ("size", lambda n, r: r.randrange(100), False),
        ("part", lambda n, r: n // 100, False),
        ("its size", lambda n, r: n // 4, True),
    ],
)
def test_what_counts_up_over_several_rows_each_is_doubted(tmp_path, name, make, doubted):
    data = table(tmp_path, **{name: values(make)}, z=values(lambda n, r: r.random()))
    doubt = f"{name} counts up over rows that follow each other: if they belong together, --group {quote(name)}"
    assert (doubt in infer(data, "y").doubts) == doubted
    assert doubt not in infer(data, "y", group=name).doubts


def test_the_odd_value_of_a_target_is_shown_and_how_to_read_it(tmp_path):
    x = values(lambda n, r: r.random(), 5)
    data = table(tmp_path, y=[*values(lambda n, r: r.random())[1:], '"1,234.50"'], x=x)
    with pytest.raises(SpecError) as error:
        infer(data, "y", task="regression")
    assert error.value.message == "data.target: y holds numbers with commas between the thousands ('1,234.50')"
    assert error.value.hint.startswith("Read them with --thousands ,")
    data = table(tmp_path, y=[*values(lambda n, r: r.random())[1:], "n.a."], x=x)
    with pytest.raises(SpecError, match=r"regression needs numbers, and y also holds 'n\.a\.'"):
        infer(data, "y", task="regression")


def test_a_kind_that_needs_another_form_says_so(tmp_path):
    data = table(tmp_path, x=values(lambda n, r: f"${r.randrange(99)}.50"), z=values(lambda n, r: r.random()))
    with pytest.raises(SpecError) as error:
        infer(data, "y", kinds={"x": "number"})
    assert "sign of a currency" in error.value.hint


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["True", "false"], (False, True)),
        (["1", "0", "true"], (False, True)),
        (["1.0", "0"], (0, 1)),
        (["10", "9", "-1"], (-1, 9, 10)),
        (["01", "1"], ("01", "1")),
        (["yes", "no"], ("no", "yes")),
        (["True", "maybe"], ("True", "maybe")),
    ],
)
def test_classes_are_what_their_texts_say(labels, expected):
    found = classes(labels)
    assert found == expected
    assert {type(label) for label in found} == {type(label) for label in expected}


def test_leaks_of_a_number_are_left_out(tmp_path):
    y = values(lambda n, r: round(r.gauss(0, 1), 4))
    data = table(
        tmp_path, y=y, euro=[round(v * 1.1, 5) for v in y], z=[v + n for v, n in zip(y, y[1:] + y[:1], strict=True)]
    )
    roles = {column.name: column.role for column in infer(data, "y").columns}
    assert roles == {"y": "target", "euro": "left out", "z": "feature"}


@pytest.mark.parametrize(
    ("make", "task"),
    [
        (lambda n, r: r.choice("abc"), "classification"),
        (lambda n, r: r.choice(["True", "False"]), "classification"),
        (lambda n, r: r.randrange(3), "classification"),
        (lambda n, r: f"{r.randrange(3)}.0", "classification"),
        (lambda n, r: r.randrange(30), "regression"),
        (lambda n, r: r.random(), "regression"),
    ],
)
def test_the_task_follows_from_the_target(tmp_path, make, task):
    data = table(tmp_path, y=values(make), x=values(lambda n, r: r.random(), 5))
    assert infer(data, "y").task == task


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n, r: "", "is empty in every row"),
        (lambda n, r: "x", "'x' in every row, so there is nothing to learn"),
        (lambda n, r: f"K{n}", "more than 200 different values in 400 rows: names each row"),
        (lambda n, r: " ".join(r.choice(["red", "blue"]) for _ in range(12)), "is free text"),
        (lambda n, r: n, "is an identifier, it seems: counts the rows up"),
        (lambda n, r: f"2024-01-{1 + n % 28:02} {n % 24:02}:{n % 60:02}", "more than 200 different values"),
    ],
)
def test_an_unsuitable_target_is_refused(tmp_path, make, message):
    with pytest.raises(SpecError) as error:
        infer(table(tmp_path, y=values(make), x=values(lambda n, r: r.random(), 5)), "y")
    assert message in error.value.message


def test_rare_classes_and_rows_without_a_target_are_doubts(tmp_path):
    y = [*["a"] * (ROWS - 9), *["b"] * 7, "", ""]
    doubts = " ".join(infer(table(tmp_path, y=y, x=values(lambda n, r: r.random(), 5)), "y").doubts)
    assert "y = b (7)" in doubts
    assert "with 7 rows of other classes than the commonest, training or test rows may by chance get none" in doubts
    assert "2 rows without y are left out" in doubts


def test_the_time_is_the_date_that_orders_the_rows(tmp_path):
    born = values(lambda n, r: f"19{r.randrange(50, 99)}-01-01")
    seen = sorted(values(lambda n, r: f"2024-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}"))
    data = table(tmp_path, born=born, seen=seen, x=values(lambda n, r: r.random(), 5))
    assert infer(data, "y").time == "seen"
    assert found(data, "born").kind == "date"
    assert found(data, "seen", time="").role == "feature"
    assert found(data, "seen", kinds={"seen": "date"}).role == "feature"
    assert infer(data, "y", time="born").time == "born"
    with pytest.raises(SpecError, match=r"data.time: x holds '0\.\d+'; times are ISO 8601"):
        infer(data, "y", time="x")
    sorted_by_class = table(tmp_path, y=["a"] * 300 + ["b"] * 100, seen=seen, x=values(lambda n, r: r.random(), 5))
    with pytest.raises(SpecError, match="latest rows by seen can't be held back to test with"):
        infer(sorted_by_class, "y", time="seen")


def test_a_time_that_leaves_one_side_without_classes_is_an_input(tmp_path):
    seen = sorted(values(lambda n, r: f"2024-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}"))
    y = ["a"] * 300 + ["b"] * 100
    assert infer(table(tmp_path, y=y, seen=seen, x=values(lambda n, r: r.random(), 5)), "y").time == ""


def test_the_persons_word_stands(tmp_path):
    data = table(
        tmp_path, x=values(lambda n, r: r.randrange(5)), key=values(lambda n, r: n), z=values(lambda n, r: r.random())
    )
    result = infer(data, "y", kinds={"x": "category", "key": "integer", "z": "drop"}, task="classification")
    assert result.answers() == {
        "project": {"task": "classification"},
        "data": {
            "target": "y", "time": "", "group": "", "features": {"x": "category", "key": "integer"},
            "classes": ["a", "b"],
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kinds": {"x": "date"}}, "not every value is of the kind date, for example '0"),
        ({"kinds": {"x": "colour"}}, "'colour' is not one of number, integer"),
        ({"kinds": {"w": "number"}}, "data.features: the data has no column 'w'"),
        ({"time": "w"}, "data.time: the data has no column 'w'"),
        ({"task": "regression"}, "regression needs numbers"),
        ({"kinds": {"x": "drop"}}, "No column is left to predict y from"),
    ],
)
def test_a_word_that_does_not_fit_is_refused(tmp_path, said, message):
    with pytest.raises(SpecError) as error:
        infer(table(tmp_path, x=values(lambda n, r: r.random(), 5)), "y", **said)
    assert message in error.value.message


def test_the_sample_is_uniform_and_does_not_depend_on_the_batches():
    import pyarrow as pa

    def drawn(batch, rows=30_000, size=500):
        sampler = Sampler(size)
        for first in range(0, rows, batch):
            sampler.add(first, [pa.array(range(first, min(first + batch, rows)))])
        return sampler.rows()[0].to_pylist()

    sample = drawn(1_000)
    assert sample == drawn(7_777) == sorted(sample)
    assert len(set(sample)) == 500
    # Each tenth of the rows gives about 50; 5 standard deviations are 34.
    tenths = [sum(number // 3_000 == tenth for number in sample) for tenth in range(10)]
    assert all(16 <= count <= 84 for count in tenths)
