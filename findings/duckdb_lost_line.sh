#!/usr/bin/env bash
# Guess: DuckDB's read_csv with store_rejects=true loses no line: each becomes a row of the answer or
# a row of the table reject_errors, where LINE SIZE OVER MAXIMUM is the kind of one longer than 2 MB.
#
# Seen: so it is up to some 30 MiB. A line longer than the reader's buffer of 32 MB is neither, with
# no error and no warning; the lines around it are read. Without store_rejects it is an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check duckdb==2.0.1

cat > ask.py <<'END'
import duckdb

print("duckdb", duckdb.__version__)
SCAN = (
    "FROM read_csv('long.csv', header=true, auto_detect=false, delim=',', quote='\"', "
    "columns={'name': 'VARCHAR', 'n': 'BIGINT'}"
)
for size in (1, 8, 24, 40):
    with open("long.csv", "w") as file:
        file.write("name,n\na,1\n" + "x" * (size << 20) + ",2\nb,3\nc,4\n")
    base = duckdb.connect()
    rows = base.execute(f"SELECT n {SCAN}, store_rejects=true) ORDER BY n").fetchall()
    rejects = base.execute("SELECT line, error_type FROM reject_errors").fetchall()
    print(f"a line of {size} MiB: rows {[n for n, in rows]}, rejects {rejects}")
try:
    base.execute(f"SELECT n {SCAN})").fetchall()
    print("without store_rejects: no error")
except duckdb.Error as error:
    print("without store_rejects:", type(error).__name__)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
duckdb 2.0.1
a line of 1 MiB: rows [1, 2, 3, 4], rejects []
a line of 8 MiB: rows [1, 3, 4], rejects [(3, 'LINE SIZE OVER MAXIMUM')]
a line of 24 MiB: rows [1, 3, 4], rejects [(3, 'LINE SIZE OVER MAXIMUM')]
a line of 40 MiB: rows [1, 3, 4], rejects []
without store_rejects: NotImplementedException
END
