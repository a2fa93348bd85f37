"""Traces as they are published; a file that is not a trace is one sentence with file and line."""

import bz2
import gzip
import lzma
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Literal

import polars
import pytest

from kvcalc.answers.traces.prefix import share
from kvcalc.errors import KvcalcError
from kvcalc.readers.traces import text_file
from kvcalc.readers.traces.durations import durations
from kvcalc.readers.traces.rows import MAX_NANOSECONDS
from kvcalc.readers.traces.service import Service, rate
from kvcalc.readers.traces.table import Loaded, connect, load
from tests.each import each

SERVICE = Service(Fraction(1000), Fraction(10))


def loaded(
    path: Path, text: str | bytes, **options: object
) -> tuple[Loaded, list[tuple[int, ...]]]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    base = connect()
    found = load(base, [path], **{"service": SERVICE, **options})  # type: ignore[arg-type]
    rows = base.execute("SELECT t0, t1, input, output FROM requests ORDER BY ALL").fetchall()
    return found, [tuple(row) for row in rows]


MOONCAKE = '{"timestamp": 1, "input_length": 10, "output_length": 2, "hash_ids": [1]}\n'


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        (
            "azure.csv",
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2023-11-16 18:17:03.9799609,1000,10\n2023-11-16 18:17:03.9799600,100,1\n",
            [(0, 200_000, 100, 1), (0, 2_000_001, 1000, 10)],
        ),
        ("mooncake.jsonl", MOONCAKE, [(0, 210_000, 10, 2)]),
        (
            "bailian.jsonl",
            '{"chat_id": 1, "timestamp": 61.114, "input_length": 5, "output_length": 1}\n'
            '{"chat_id": 2, "timestamp": 62.5, "input_length": 5, "output_length": 1}\n',
            [(0, 105_000, 5, 1), (1_386_000, 1_491_000, 5, 1)],
        ),
        (
            "burst.csv",
            "Timestamp,Elapsed time,Request tokens,Response tokens\n5,1.5,472,18\n",
            [(0, 1_500_000, 472, 18)],
        ),
        (
            "copilot.jsonl",
            '{"timestamp": "2025-01-01T00:00:00Z", "duration_ms": 250, "prompt": 7, '
            '"completion": 3}\n',
            [(0, 250_000, 7, 3)],
        ),
    ],
)
def test_published_formats_are_recognised_by_their_columns(
    tmp_path: Path, name: str, text: str, rows: list[tuple[int, ...]]
) -> None:
    assert loaded(tmp_path / name, text)[1] == rows


def test_gzip_is_read_by_its_name(tmp_path: Path) -> None:
    assert (
        loaded(tmp_path / "m.jsonl.gz", gzip.compress(MOONCAKE.encode(), mtime=0))[0].requests == 1
    )


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    base = connect()
    base.execute(
        "COPY (SELECT 1 AS timestamp, 10 AS input_length, 2 AS output_length) "
        f"TO '{path}' (FORMAT parquet)"
    )
    found = load(base, [path], service=SERVICE)
    assert found.requests == 1


@pytest.mark.parametrize("name", ["", '"",'])
def test_columns_without_a_name_are_not_asked_for(tmp_path: Path, name: str) -> None:
    """pandas writes its index so, and a comma at the header's end is one more."""
    header = "timestamp,input_length,output_length"
    indexed = f"{name},{header}\n0,{'0,' if name else ''}1,10,2\n"
    assert loaded(tmp_path / "index.csv", indexed)[1] == [(0, 210_000, 10, 2)]
    assert loaded(tmp_path / "end.csv", f"{header},\n1,10,2,\n")[1] == [(0, 210_000, 10, 2)]


def test_days_without_a_time_are_no_starts(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"timestamp": [date(2026, 11, 29)], "input_length": [1], "output_length": [1]}
    polars.DataFrame(columns).write_parquet(path)
    with pytest.raises(KvcalcError, match=r"column 'timestamp' has days without a time of day$"):
        load(connect(), [path], service=SERVICE)


def test_several_files_and_globs_are_one_trace(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_text(MOONCAKE)
    assert load(connect(), [str(tmp_path / "*.jsonl")], service=SERVICE).requests == 3


def corrupted(packed: bytes) -> bytes:
    """A gzip file whose checksum is another's."""
    return packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]


CSV = "timestamp,input_length,output_length\n"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.csv", "a,b\n1,2\n", "found the columns 'a', 'b', expected those of a known trace"),
        ("t.csv", f"{CSV}-5,1,1\n", "line 2: found a negative time in '-5, 1, 1'"),
        ("t.csv", f"{CSV}1,1,1\nnan,1,1\n", "line 3: found no time of its start in 'nan, 1, 1'"),
        ("t.csv", f"{CSV}1,x,1\n", "line 2: found no whole counts of tokens in '1, x, 1'"),
        ("t.csv", f"{CSV}1,-1,1\n", "line 2: found counts of tokens outside 0 to 1,000,000,000"),
        ("t.csv", f"{CSV}1,2000000000,1\n", "line 2: found counts of tokens outside"),
        ("t.csv", f"{CSV}1,10.5,1\n", "line 2: found no whole counts of tokens in '1, 10.5, 1'"),
        ("t.csv", f"{CSV}\n1,1,1\n1,1\n", "line 4: found no row of 3 columns in '1,1'"),
        ("t.csv", f"{CSV}1,1,1,1\n", "line 2: found no row of 3 columns in '1,1,1,1'"),
        ("t.csv", f"{CSV}\n1,x,1\n", "line 3: found no whole counts of tokens in '1, x, 1'"),
        ("t.csv", f"{CSV}1e19,1,1\n", "line 2: found no time of its start in '1e19, 1, 1'"),
        (
            "t.csv",
            f"{CSV}5e12,1,1\n",
            "line 2: found a time of more than a century in '5e12, 1, 1'",
        ),
        ("t.csv", "", "found no line of distinct columns, expected a header"),
        ("t.csv", "a,a\n1,2\n", "found no line of distinct columns, expected a header"),
        (
            "t.jsonl",
            '{"timestamp": 1,\n',
            "found no JSON object in a line, expected one per line and no array",
        ),
        ("t.json", f"[{MOONCAKE.strip()}]\n", "expected one per line and no array"),
        ("t.csv.zst", b"\x28\xb5\x2f\xfd\x00", "is packed by zstd, expected a plain file or one"),
        ("t.csv", bz2.compress(CSV.encode()), "is packed by bzip2"),
        ("t.csv.xz", lzma.compress(CSV.encode()), "is packed by xz"),
        ("t.csv", b"PK\x03\x04\x14\x00", "is packed by zip"),
        ("t.csv.lz4", b"\x04\x22\x4d\x18\x64", "is packed by lz4"),
        ("t.jsonl", f'{MOONCAKE}\n{{"a"\n', "line 3: found no time of its start in ''"),
        ("t.jsonl", MOONCAKE.replace("2,", "2.5,"), "line 1: found no whole counts of tokens"),
        (
            "t.csv.gz",
            corrupted(gzip.compress(f"{CSV}1,1,1\n".encode(), mtime=0)),
            "CRC check failed",
        ),
        ("t.csv.gz", CSV, "Not a gzipped file"),
        ("t.jsonl.gz", gzip.compress(MOONCAKE.encode() * 999, mtime=0)[:-30], "cannot be read"),
        ("t.parquet", "no parquet", "cannot be read"),
    ],
    ids=str,
)
def test_what_is_no_trace_is_one_sentence(
    tmp_path: Path, name: str, text: str | bytes, sentence: str
) -> None:
    with pytest.raises(KvcalcError) as caught:
        loaded(tmp_path / name, text)
    assert str(caught.value).startswith(f"'{tmp_path / name}': ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_end_before_its_start_is_named(tmp_path: Path) -> None:
    columns = {"start": "a", "end": "b", "input": "i", "output": "o"}
    with pytest.raises(KvcalcError, match="line 3: found an end before its start in '9, 1, 1, 5'"):
        loaded(
            tmp_path / "t.csv", "a,b,i,o\n1,2,1,1\n9,5,1,1\n", columns=columns, time_unit="s"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "bad"),
    [
        ("t.csv", f"{CSV}1,1,1\n-5,1,1\nx,1,1\n", 2),
        ("t.csv", f"{CSV}1,1\n1,1,1\n\n1,1,1,1\n", 2),
        ("t.csv.gz", gzip.compress(f"{CSV}1,1,1\n1,1\n".encode(), mtime=0), 1),
        ("t.jsonl", f'{MOONCAKE}{{"timestamp"\n[1]\n', 2),
    ],
)
def test_bad_rows_are_counted_where_asked(
    tmp_path: Path, name: str, text: str | bytes, bad: int
) -> None:
    found, rows = loaded(tmp_path / name, text, skip_bad=True)
    assert (found.bad_rows, found.requests, len(rows)) == (bad, 1, 1)


STRAY = f'{CSV}1,1,1\n"2,1,1\n3,1,1\n4,1,1\n'
"""A quote that takes all lines after it into its cell."""


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_quote_that_takes_lines_along_is_never_skipped(tmp_path: Path, skip_bad: bool) -> None:
    with pytest.raises(KvcalcError, match="line 3: found a quote that does not close in its cell"):
        loaded(tmp_path / "t.csv", STRAY, skip_bad=skip_bad)


WIDE = ",".join(map(str, range(text_file.MAX_COLUMNS - 2)))
LONG = f"{CSV}1,1,1\n{'1' * 2 * text_file.MAX_CSV_LINE},1,1\n1,1,1\n"
KEYS = ",".join(f'"{key}":0' for key in range(text_file.MAX_COLUMNS - 2))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.csv", f"{CSV.strip()},{WIDE}\n", "found 4,097 columns, expected at most 4,096"),
        ("t.jsonl", f"{MOONCAKE.strip()[:-1]},{KEYS}}}\n", "found 4,098 columns, expected at most"),
        ("t.csv", LONG, "found a line of more than 2,097,152 bytes, expected rows"),
        ("t.csv.gz", gzip.compress(LONG.encode()), "found a line of more than 2,097,152 bytes"),
        (
            "t.csv",
            f"{'a' * 2**18},b\n",
            "cannot be read ('field larger than field limit (131072)')",
        ),
    ],
    ids=["columns", "keys", "line", "packed line", "name"],
)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_what_is_past_a_bound_is_never_skipped(
    tmp_path: Path, name: str, text: str | bytes, sentence: str, skip_bad: bool
) -> None:
    with pytest.raises(KvcalcError) as caught:
        loaded(tmp_path / name, text, skip_bad=skip_bad)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("t.csv", CSV), ("t.jsonl", "")])
def test_a_file_without_requests_is_none(tmp_path: Path, name: str, text: str) -> None:
    assert loaded(tmp_path / name, text)[0].requests == 0


def test_a_folder_named_as_a_column_is_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "timestamp=7"
    folder.mkdir()
    assert loaded(folder / "t.csv", f"{CSV}1,1000,0\n3,1000,0\n")[1][1][0] == 2000


def test_times_with_a_zone_are_of_one_clock(tmp_path: Path) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-05-10 00:00:00.5+00:00,1,1\n2024-05-10 02:00:01+02:00,1,1\n"
    )
    assert [row[0] for row in loaded(tmp_path / "t.csv", text)[1]] == [0, 500_000]


def test_a_trace_without_durations_needs_rates(tmp_path: Path) -> None:
    with pytest.raises(KvcalcError, match="has no durations; give a request's tokens per second"):
        loaded(tmp_path / "t.jsonl", MOONCAKE, service=None)


def test_a_column_is_quoted_and_never_sql(tmp_path: Path) -> None:
    name = 'x"; DROP TABLE raw; --'
    text = f'"{name.replace(chr(34), chr(34) * 2)}",i,o,d\n5,1,1,2\n'
    columns = {"start": name, "input": "i", "output": "o", "duration": "d"}
    _, rows = loaded(tmp_path / "it's.csv", text, columns=columns, time_unit="s")
    assert rows == [(0, 2_000_000, 1, 1)]


@each("text", ["0", "-1", "x", "1/0", "nan", "1e99"])
def test_a_rate_is_tokens_a_second(text: str) -> None:
    with pytest.raises(KvcalcError, match=r"--prefill-rate: found .*, expected tokens per second"):
        rate(text, "--prefill-rate")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"columns": {"colour": "x"}}, "--column: the question 'colour' is unknown"),
        ({"columns": {"start": "x"}}, "column 'x': missing; found 'timestamp'"),
        ({"time_unit": "h"}, "time_unit: found 'h', expected s, ms, us"),
    ],
)
def test_options_that_are_none(tmp_path: Path, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        loaded(tmp_path / "t.jsonl", MOONCAKE, **options)
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KvcalcError, match=r"nothing\.csv': found nothing, expected a trace"):
        load(connect(), [tmp_path / "nothing.csv"], service=SERVICE)


@pytest.mark.parametrize(
    ("unit", "scale"), [("ms", 1_000), ("us", 1), ("ns", Fraction(1, 1_000))], ids=str
)
def test_a_column_of_durations_has_its_own_unit(
    tmp_path: Path, unit: Literal["ms", "us", "ns"], scale: int
) -> None:
    path = tmp_path / "t.parquet"
    times = polars.Series("timestamp", [0, 7_000], polars.Duration(unit))
    polars.DataFrame({"timestamp": times, "input_length": 1, "output_length": 0}).write_parquet(
        path
    )
    base = connect()
    load(base, [path], service=SERVICE)
    assert base.execute("SELECT max(t0) FROM requests").fetchall() == [(7_000 * scale,)]


def test_an_interval_and_a_date_are_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    base = connect()
    base.execute(
        "COPY (SELECT TIMESTAMP '2025-01-01 00:00:05' AS a, INTERVAL '2.5 s' AS d, 1 AS i, 0 AS o) "
        f"TO '{path}' (FORMAT parquet)"
    )
    columns = {"start": "a", "duration": "d", "input": "i", "output": "o"}
    load(base, [path], columns=columns, time_unit="ms")
    assert base.execute("SELECT t1 FROM requests").fetchall() == [(2_500_000,)]


def test_the_unit_of_times_is_that_of_durations_and_a_date_needs_none(tmp_path: Path) -> None:
    columns = {"start": "a", "duration": "d", "input": "i", "output": "o"}
    for start in ("0", "2025-01-01 00:00:00"):
        text = f"a,d,i,o\n{start},250,1,1\n"
        found = loaded(tmp_path / "t.csv", text, columns=columns, time_unit="ms")[1]
        assert found == [(0, 250_000, 1, 1)]


def test_what_is_no_schema_of_arrows_has_no_durations() -> None:
    assert [durations(text) for text in (b"", b"AAAA", b"/////wEAAAAEAAAA8v///xQAAAA=")] == [{}] * 3


@pytest.mark.parametrize("more", ["", "folder/../", "*"])
def test_a_file_given_twice_is_refused(tmp_path: Path, more: str) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "m.jsonl"
    path.write_text(MOONCAKE)
    with pytest.raises(KvcalcError, match=r"^files: found '.*m.jsonl' twice"):
        load(connect(), [path, f"{tmp_path}/{more}m.jsonl"], service=SERVICE)


MANY = 2**53
BLOCKS = {
    "hexadecimal": ('["1a", "1b", "1a"]', 2),
    "UUIDs": (
        '["6fa459ea-ee8a-3ca4-894e-db77e160355e", "6fa459ea-ee8a-3ca4-894e-db77e160355f"]',
        2,
    ),
    "unsigned": (f"[{2**64 - 1}, {2**64 - 2}]", 2),
    "of 128 bits": (f"[{2**128 - 1}, {2**128 - 2}, {2**128 - 1}]", 2),
    "mixed": ('[1, "1", "x", -1, 1.0]', 3),
    "words": ('["null", "NULL", "", "a,b", "a]"]', 5),
}


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_any_id_of_a_block_is_itself(tmp_path: Path, name: str) -> None:
    ids, different = BLOCKS[name]
    path = tmp_path / "m.jsonl"
    path.write_text(
        MOONCAKE.replace("[1]", ids).replace('"input_length": 10', '"input_length": 9999')
    )
    base = connect()
    found = load(base, [path], service=SERVICE)
    share(base, found.block_tokens)
    blocks = base.execute("SELECT count(DISTINCT block) FROM uses").fetchall()[0][0]
    assert blocks == different


@pytest.mark.parametrize("ids", ["[1, null]", "7", '"a"', "{}", f"[{float(MANY)}]"])
def test_what_is_no_list_of_exact_ids_is_named(tmp_path: Path, ids: str) -> None:
    with pytest.raises(KvcalcError, match="line 1: found no list of exact ids of blocks in"):
        loaded(tmp_path / "m.jsonl", MOONCAKE.replace("[1]", ids))


@pytest.mark.parametrize("kind", ["UBIGINT", "HUGEINT", "BLOB", "VARCHAR"])
def test_ids_of_any_type_in_parquet_are_themselves(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "t.parquet"
    base = connect()
    base.execute(
        "COPY (SELECT 1 AS timestamp, 9999 AS input_length, 2 AS output_length, "
        f"[n::VARCHAR::{kind} FOR n IN [1, 2, 2]] AS hash_ids) TO '{path}' (FORMAT parquet)"
    )
    share(base, load(base, [path], service=SERVICE).block_tokens)
    assert base.execute("SELECT count(DISTINCT block) FROM uses").fetchall() == [(2,)]


LATEST = MAX_NANOSECONDS // 1_000_000


@pytest.mark.parametrize(
    ("start", "end"), [(LATEST, LATEST + 1), (LATEST + 1, LATEST + 2), (0, 10**14), (0, 10**400)]
)
def test_times_next_to_the_latest_are_named(tmp_path: Path, start: int, end: int) -> None:
    columns = {"start": "a", "end": "b", "input": "i", "output": "o"}
    with pytest.raises(KvcalcError, match=r"line 2: found (a time of more|no duration)"):
        loaded(tmp_path / "t.csv", f"a,b,i,o\n{start},{end},1,1\n", columns=columns, time_unit="ms")
    text = f"a,b,i,o\n{LATEST - 1},{LATEST},1,1\n"
    assert loaded(tmp_path / "t.csv", text, columns=columns, time_unit="ms")[1] == [(0, 1000, 1, 1)]
