from tests.one_duckdb import one_duckdb

__all__ = ["one_duckdb"]
