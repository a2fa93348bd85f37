"""One DuckDB for all databases that tests of traces open: to start one takes longer than a test."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import duckdb
import pytest


@pytest.fixture(autouse=True, scope="module")
def one_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Attach the databases of a file of tests to one DuckDB; the command line starts its own."""
    spilled = str(tmp_path_factory.mktemp("spilled"))
    start = duckdb.connect
    started: list[duckdb.DuckDBPyConnection] = []
    names = count()

    def connect(*given: Any, config: dict[str, str] | None = None) -> duckdb.DuckDBPyConnection:
        if config is None:
            return start(*given)
        if not started:
            started.append(start(config={**config, "temp_directory": spilled, "threads": "1"}))
        base = started[0].cursor()
        name = f"test{next(names)}"
        base.execute(f"ATTACH ':memory:' AS {name}; USE {name}")
        base.execute(f"SET preserve_insertion_order = {config['preserve_insertion_order']}")
        return base

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", connect)
        yield
