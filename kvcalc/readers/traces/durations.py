"""Which columns of a Parquet file are durations, by the Arrow schema that its writer left in it.

Parquet has no such type, so DuckDB shows plain integers. The schema is a flatbuffer (Arrow's
format/Message.fbs and format/Schema.fbs): tables whose fields are found by their place in a vtable.
"""

from base64 import b64decode
from collections.abc import Iterator
from struct import error, unpack_from

KEY = "ARROW:schema"
"""The key of the Parquet file's metadata."""

NANOSECONDS = (10**9, 10**6, 10**3, 1)
"""Nanoseconds of each TimeUnit: SECOND, MILLISECOND, MICROSECOND, NANOSECOND."""

MILLISECOND = 1
"""The unit of a Duration that names none."""

DURATION = 18
"""The place of Duration in the union Type."""

HEADER, FIELDS, NAME, KIND, TYPE, UNIT = 2, 1, 0, 2, 3, 0
"""The places of fields: in Message, in Schema, three in Field, and in Duration."""


def durations(schema: str | bytes) -> dict[str, int]:
    """Read the nanoseconds in one unit of each column that is a duration.

    What is no such schema has none.
    """
    try:
        data = b64decode(schema)
        # A message begins with its length, before which newer writers put a continuation.
        root = _follow(data, 8 if data[:4] == b"\xff" * 4 else 4)
        return dict(_durations(data, _follow(data, _field(data, root, HEADER))))
    except (ValueError, error, IndexError):
        return {}


def _durations(data: bytes, schema: int) -> Iterator[tuple[str, int]]:
    fields = _follow(data, _field(data, schema, FIELDS))
    (count,) = unpack_from("<I", data, fields)
    for place in range(fields + 4, fields + 4 + 4 * count, 4):
        column = _follow(data, place)
        if data[_field(data, column, KIND)] == DURATION:
            name = _follow(data, _field(data, column, NAME))
            (length,) = unpack_from("<I", data, name)
            unit = _field(data, _follow(data, _field(data, column, TYPE)), UNIT, default=-1)
            nanoseconds = NANOSECONDS[MILLISECOND if unit < 0 else data[unit]]
            yield data[name + 4 : name + 4 + length].decode(), nanoseconds


def _follow(data: bytes, place: int) -> int:
    """Follow an offset, which is relative to where it stands."""
    return place + int(unpack_from("<I", data, place)[0])


def _field(data: bytes, table: int, number: int, default: int | None = None) -> int:
    """Where a field of a table stands; if it is left out, `default`.

    Raises:
        ValueError: it is left out, and there is no default.
    """
    vtable = table - int(unpack_from("<i", data, table)[0])
    (size,) = unpack_from("<H", data, vtable)
    entry = 4 + 2 * number
    offset = int(unpack_from("<H", data, vtable + entry)[0]) if entry < size else 0
    if offset:
        return table + offset
    if default is None:
        raise ValueError
    return default
