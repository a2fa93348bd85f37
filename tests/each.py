"""A test over the rows of a table that are too many for an item each: pytest takes milliseconds."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def each(
    names: str | tuple[str, ...], rows: Iterable[Any], ids: Callable[[Any], object] = repr
) -> Callable[[Test], Test]:
    """Run a test with each row, as `pytest.mark.parametrize` does, but in one item.

    No row is left out where another fails: the failure has the name and the reason of each.
    """
    table = list(rows)
    assert table, "a table without rows tests nothing"

    def over_all(test: Test) -> Test:
        def run() -> None:
            failed = []
            for row in table:
                given = (
                    {names: row} if isinstance(names, str) else dict(zip(names, row, strict=True))
                )
                try:
                    test(**given)
                except (Exception, pytest.fail.Exception) as error:
                    failed.append(f"{str(ids(row))[:200]}: {type(error).__name__}: {error}")
            assert not failed, f"{len(failed)} of {len(table)} rows:\n" + "\n".join(failed)

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return over_all
