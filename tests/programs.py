"""Programs beside Python, which tests start."""

import os
import shutil
from typing import NoReturn

import pytest

REQUIRE_ALL = "KVCALC_REQUIRE_ALL"
"""Set where a missing program is a failure: in continuous integration."""


def program(*names: str) -> str:
    """Find a program by one of its names, or skip the test where it may be missing."""
    found = next(filter(None, map(shutil.which, names)), None)
    return missing(f"{names[0]} is not installed") if found is None else found


def missing(what: str) -> NoReturn:
    """Skip the test, or fail where nothing may be missing."""
    if os.environ.get(REQUIRE_ALL):
        pytest.fail(what)
    pytest.skip(what)
