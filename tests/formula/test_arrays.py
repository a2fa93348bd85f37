"""Arrays in, arrays out: exact, or refused before anything wraps."""

from typing import Any

import numpy
import pandas
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import kvcalc
from kvcalc.errors import KvcalcError
from kvcalc.formula.formula import Formula
from tests.each import each

COST = kvcalc.cost(kvcalc.load("k-exaone-236b-a23b"), "vllm")


class OnAGpu:
    """A tensor of PyTorch's, which NumPy reads only where it is in the CPU's memory."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda")


@given(arrays(numpy.int64, st.integers(0, 50), elements=st.integers(1, 2**24)), st.integers(1, 64))
def test_an_array_is_answered_as_its_elements_are(context: Any, sequences: int) -> None:
    found = COST(context, sequences=sequences)
    assert found.dtype == numpy.int64
    assert found.tolist() == [COST(int(one), sequences=sequences) for one in context]


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint64", "object"])
def test_narrow_integers_are_widened_and_pythons_own_never_wrap(dtype: str) -> None:
    context = numpy.array([1, 100, 127], dtype=dtype)
    assert [int(one) for one in COST(context)] == [COST(1), COST(100), COST(127)]


def test_arrays_go_together_as_numpys_do() -> None:
    contexts, sequences = numpy.array([[8192], [262_144]]), numpy.array([1, 16])
    assert COST(contexts, sequences=sequences).tolist() == [
        [COST(8192), COST(8192, sequences=16)],
        [COST(262_144), COST(262_144, sequences=16)],
    ]


def test_no_amounts_at_all_are_answered_by_none() -> None:
    none = numpy.array([], dtype=int)
    for beside in ({}, {"sequences": none}, {"block_size": none}):
        assert COST(none, **beside).tolist() == []


@pytest.mark.parametrize("dtype", ["int64", "object"])
@pytest.mark.parametrize("past", [0, -1])
def test_the_least_amount_is_one(dtype: str, past: int) -> None:
    assert COST(numpy.array([1, 2], dtype)).tolist() == [COST(1), COST(2)]
    with pytest.raises(KvcalcError, match=r"^context: found .*, expected positive ints"):
        COST(numpy.array([past, 2], dtype))


def test_a_long_array_is_answered_in_pieces() -> None:
    contexts = numpy.arange(1, 200_000)
    assert COST(contexts)[[0, 65_535, 65_536, -1]].tolist() == [
        COST(1),
        COST(65_536),
        COST(65_537),
        COST(199_999),
    ]


def test_a_single_number_may_vary_beside_an_array() -> None:
    windows = numpy.array([128, 4096])
    assert COST(262_144, window=windows).tolist() == [15_322_054_656, 15_907_160_064]
    assert COST.per_gpu(numpy.array([262_144])).tolist() == [15_322_054_656]


def test_pandas_keeps_its_index() -> None:
    frame = pandas.DataFrame({"context": [8192, 262_144]}, index=["a", "b"])
    found = COST(frame["context"])
    assert found.to_dict() == {"a": COST(8192), "b": COST(262_144)}


def test_a_polars_column_gives_a_column() -> None:
    found = COST(polars.Series("context", [8192, 262_144]))
    assert isinstance(found, polars.Series)
    assert found.to_list() == [COST(8192), COST(262_144)]


@pytest.mark.parametrize("checked", [False, True])
def test_a_polars_expression_stands_in_with_columns(checked: bool) -> None:
    frame = polars.DataFrame({"ctx": [8192, 262_144], "users": [1, 16]})
    expression = COST.expr(context="ctx", sequences="users", checked=checked)
    found = frame.with_columns(bytes=expression)["bytes"]
    assert found.to_list() == [COST(8192), COST(262_144, sequences=16)]
    assert found.dtype == (polars.Int128 if checked else polars.Int64)


@pytest.mark.parametrize("checked", [False, True])
def test_a_formula_that_no_column_changes_is_an_expression_too(checked: bool) -> None:
    same = Formula(5 * 10**9, {"sequences": 1}).polars(checked=checked)
    found = polars.DataFrame({"context": [1]}).select(same.alias("bytes"))["bytes"]
    assert found.to_list() == [5 * 10**9]
    assert found.dtype == (polars.Int128 if checked else polars.Int64)


@pytest.mark.parametrize(
    "wrong",
    [[0], [-1], [1.5], [8192.0], [True], ["8192"], [2**63]],
    ids=lambda wrong: str(wrong[0]),
)
@pytest.mark.parametrize("name", ["context", "sequences"])
def test_checked_refuses_what_a_call_refuses(name: str, wrong: list[object]) -> None:
    frame = polars.DataFrame({"context": [8192], "sequences": [1], name: wrong})
    expression = COST.expr(sequences="sequences", checked=True)
    if wrong == [2**63]:
        assert frame.select(expression).item() == COST(**frame.row(0, named=True))
        return
    with pytest.raises(KvcalcError if isinstance(wrong[0], int | float) else Exception):
        frame.select(expression)


def test_checked_refuses_a_row_past_a_limit_and_keeps_nulls() -> None:
    one = kvcalc.cost(kvcalc.load("llama-3.1-8b"), "llama.cpp")
    frame = polars.DataFrame({"context": [8192, None], "sequences": [256, 4]})
    found = frame.select(one.expr(sequences="sequences", checked=True)).to_series()
    assert found.to_list() == [one(8192, sequences=256), None]
    past = frame.with_columns(sequences=polars.lit(257))
    with pytest.raises(KvcalcError, match="sequences: found a row past its limit, sequences <= "):
        past.select(one.expr(sequences="sequences", checked=True))


def test_checked_holds_what_64_bits_do_not() -> None:
    frame = polars.DataFrame({"context": [2**40]}).with_columns(
        bytes=COST.expr(checked=True) * 2**20
    )
    assert frame["bytes"].to_list() == [COST(2**40) * 2**20]


@each(
    ("context", "sentence"),
    [
        (numpy.array([1, 0]), "context: found 0, expected positive ints"),
        (numpy.array([-1]), "context: found -1, expected positive ints"),
        (numpy.array([1.5]), "context: found 1.5 in an array of float64, expected whole numbers"),
        (numpy.array([float("nan")]), "context: found nan in an array of float64"),
        (numpy.array([True]), "context: found an array of bool, expected whole numbers"),
        (numpy.array(["8K"]), "context: found an array of <U2, expected whole numbers"),
        (numpy.array([1, "x"], dtype=object), "context: found an array of objects"),
        (numpy.array([2**63], dtype="uint64"), "context: found 9223372036854775808, expected less"),
        (numpy.ma.array([1, 2], mask=[False, True]), "context: found masked elements"),
        (numpy.array([2**50]), "arrays: the result could pass 2^63"),
        (polars.Series([1, None]), "context: found nan in an array of float64"),
        (
            polars.Series([1], dtype=polars.Int128),
            "context: found 128-bit integers, which NumPy does not have",
        ),
        (OnAGpu(), 'context: found a OnAGpu that NumPy cannot read: "can\'t convert cuda"'),
        (1.5, "context: found 1.5, expected a positive int"),
    ],
)
def test_what_is_no_count_or_could_wrap_is_refused(context: Any, sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        COST(context)
    assert str(caught.value).startswith(sentence)


def test_64_bit_integers_beside_pythons_own_never_wrap() -> None:
    llama = kvcalc.cost(kvcalc.load("llama-3.1-8b"))
    sequences = numpy.array([3], dtype=object)
    found = llama(numpy.array([2**50]), sequences=sequences)
    assert found.tolist() == [llama(2**50, sequences=3)]


@pytest.mark.parametrize("context", [numpy.int64(8192), numpy.uint16(8192), numpy.array(8192)])
def test_a_single_number_of_numpys_gives_an_int(context: Any) -> None:
    found = COST(context, sequences=numpy.int64(3))
    assert (type(found), found) == (int, COST(8192, sequences=3))


def test_rows_of_pandas_that_are_not_the_same_are_refused() -> None:
    context = pandas.Series([8192, 4096], index=["a", "b"])
    with pytest.raises(KvcalcError, match="sequences: found another index than context"):
        COST(context, sequences=context.iloc[::-1])


def test_a_frame_is_answered_as_an_array() -> None:
    expected = [[COST(8192), COST(4096)]]
    for frame in (pandas.DataFrame, polars.DataFrame):
        assert COST(frame({"a": [8192], "b": [4096]})).tolist() == expected


def test_a_column_that_is_no_name_is_refused() -> None:
    with pytest.raises(KvcalcError, match="context: found 8192, expected a column's name"):
        COST.expr(context=8192)  # type: ignore[arg-type]


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(KvcalcError, match="shapes that do not go together: context \\(2,\\)"):
        COST(numpy.array([1, 2]), sequences=numpy.array([1, 2, 3]))


def test_a_variable_that_the_formula_has_not_is_refused() -> None:
    with pytest.raises(KvcalcError, match="tensor_parallel_size: decides vllm's groups"):
        COST(numpy.array([1]), tensor_parallel_size=2)
    with pytest.raises(KvcalcError, match="'colour' is not in this formula"):
        COST.expr(colour="c")
