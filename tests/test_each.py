"""A test over rows fails where any row does, and names each that did."""

import pytest

from tests.each import each


def test_every_row_that_fails_is_named_and_no_other() -> None:
    ran = []

    @each(("row", "doubled"), [(1, 2), (2, 5), (3, 6), (4, 9)], ids=lambda row: f"row-{row[0]}")
    def test(row: int, doubled: int) -> None:
        ran.append(row)
        if row == 4:
            pytest.fail("four")
        assert doubled == 2 * row

    with pytest.raises(
        AssertionError, match=r"^2 of 4 rows:\nrow-2: Asser[^\n]*(\n .*)*\nrow-4: Failed: four"
    ):
        test()
    assert ran == [1, 2, 3, 4]


def test_a_table_without_rows_is_an_error() -> None:
    with pytest.raises(AssertionError, match="tests nothing"):
        each("row", [])
