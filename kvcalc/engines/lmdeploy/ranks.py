"""The ranks that share the attention of LMDeploy's PyTorch engine (0.18.0: pytorch/config.py)."""

import re
from collections.abc import Mapping

from kvcalc.errors import RequestError

RANKS = ("tensor_parallel_size", "ep", "dp")
"""What decides them: tp, those of the experts, and groups of data parallel attention."""


def attention_ranks(given: Mapping[str, object]) -> tuple[int, int]:
    """How many ranks share a layer's heads, and how many such groups there are.

    All ranks are those of the experts where there are several, else tp.

    Raises:
        RequestError: a count of RANKS is not a positive number, or they do not divide evenly.
    """
    for name in RANKS:
        if not re.fullmatch("0*[1-9][0-9]{0,8}", str(given[name])):
            raise RequestError.of(name, given[name], "a positive number")
    ranks, experts, groups = (int(str(given[name])) for name in RANKS)
    world = experts if experts > 1 else ranks
    if world % groups:
        raise RequestError.of("dp", groups, f"a divisor of the {world} ranks")
    return world // groups, groups
