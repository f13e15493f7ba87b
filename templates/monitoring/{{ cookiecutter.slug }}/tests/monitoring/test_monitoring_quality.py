"""What counts as a problem of the data, and what does not."""

from __future__ import annotations

import pytest

from {{ cookiecutter.package }}.monitoring import quality
from {{ cookiecutter.package }}.schema import CATEGORICAL, FEATURES, NUMERIC

from support import changed


def found(reference, current):
    return {(one.column, one.problem) for one in quality.assess(reference, current) if one.found}


def test_the_same_rows_have_no_problem(rows):
    some = rows.sample(200, replace=True, random_state=3)
    assert found(rows, some) == set()


def test_values_that_are_left_out_are_a_problem_of_their_column_alone(rows):
    name = FEATURES[0]
    assert found(rows, changed(rows, name, None)) == {(name, "missing")}


def test_a_column_that_was_often_empty_may_stay_so(rows):
    name = FEATURES[0]
    half = changed(rows, name, rows[name].where(rows.index % 2 == 0))
    assert (name, "missing") not in found(half, half.sample(300, replace=True, random_state=5))


@pytest.mark.skipif(not CATEGORICAL, reason="no feature is a category")
def test_categories_that_were_never_seen_are_a_problem(rows):
    name = CATEGORICAL[0] if CATEGORICAL else ""
    assert (name, "new_value") in found(rows, changed(rows, name, "never seen"))
    assert (name, "new_value") not in found(rows, changed(rows, name, None))


@pytest.mark.skipif(not NUMERIC, reason="no feature is a number")
@pytest.mark.parametrize("side", [-1, 1])
def test_numbers_outside_the_known_range_are_a_problem(rows, side):
    name = NUMERIC[0] if NUMERIC else ""
    spread = float(rows[name].max() - rows[name].min())
    beyond = float(rows[name].max() if side > 0 else rows[name].min()) + side * (1 + spread)
    assert (name, "out_of_range") in found(rows, changed(rows, name, beyond))
    # One odd value among many is no alarm.
    odd = rows[name].astype(float)
    odd.iloc[0] = beyond
    assert (name, "out_of_range") not in found(rows, changed(rows, name, odd))
