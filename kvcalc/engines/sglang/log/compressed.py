"""SGLang's lines about DeepSeek V4's pools: how a memory is cut, and the tokens of each.

Read in SGLang 0.5.23 (srt/model_executor/pool_configurator.py, DSV4PoolConfigurator).
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.log import (
    AGREES,
    COUNT,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    figures,
    number,
    pattern,
)
from kvcalc.engines.sglang.buffers import FULL, REQUEST, WINDOW
from kvcalc.engines.sglang.compressed import RING
from kvcalc.engines.sglang.log.run import GIB, Run
from kvcalc.errors import UnsupportedError

UNIT = "[0-9]{1,15}"
"""A whole number, which SGLang prints without commas."""

PATTERNS = (
    pattern(
        "compressed",
        "bytes_per_full_token=",
        rf"DS[Vv]4 memory calculation:(?: unified=(?P<unified>True|False),)?.{{0,200}}?"
        rf"bytes_per_full_token=(?P<token>{SIZE}), "
        rf"available_bytes=(?P<available>{SIZE}) GB(?:, c128_state_fixed=(?P<states>{SIZE}) GB)?"
        rf".{{0,300}}?full_token=(?P<full>{COUNT})",
    ),
    pattern(
        "compressed pools",
        "DSV4 pool sizes:",
        rf"DSV4 pool sizes: full=(?P<full>{UNIT}), swa=(?P<swa>{UNIT})"
        rf"(?:, c4=(?P<c4>{UNIT}), c128=(?P<c128>{UNIT}), c4_state=(?P<c4_state>{UNIT}))?",
    ),
)


def _compressed(run: Run, line: Found) -> Iterator[Checked]:
    """How many bytes a token takes, what the states of requests take, and the tokens left."""
    printed = figures(
        line,
        {
            "token": "bytes_per_full_token (bytes)",
            "states": "c128_state_fixed (GiB)",
            "full": "full_token (tokens)",
        },
    )
    if run.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return
    if line.values.get("unified") == "True":
        raise UnsupportedError(
            "the unified pool of DeepSeek V4 on sglang is not modelled", what="unified pool"
        )
    if "states" not in line.values:
        raise UnsupportedError(
            "how sglang before 0.5.15, whose line has no c128_state_fixed, keeps the states of "
            "DeepSeek V4 was not measured",
            what="states of DeepSeek V4",
        )
    sizer = run.sizer
    layout, resolved = sizer.layout, sizer.resolved
    token = (
        Fraction(layout.bytes_of(FULL) + resolved.ratio * layout.bytes_of(WINDOW)) / resolved.page
    )
    yield printed["token"].against(
        token, f"{resolved.ratio:g} tokens of the window pool beside each"
    )
    requests = resolved.requests_a_group or 1
    states = requests * layout.bytes_of(REQUEST) + layout.spare_of(REQUEST)
    yield printed["states"].against(Fraction(states, GIB), f"{requests} running requests, one rank")
    available = Printed(0, "", line.values["available"])
    low, high = (
        sizer.compressed(int((available.value + off) * GIB))[0]
        for off in (-available.half_step, available.half_step)
    )
    full = number(printed["full"].text)
    verdict = AGREES if low <= full <= high and not full % resolved.page else DIFFERS
    ours = full if verdict == AGREES else low
    yield printed["full"].row(ours, verdict, f"of {available.text} GiB: {low:,} to {high:,}")


def _pools(run: Run, line: Found) -> Iterator[Checked]:
    """The tokens of each pool, as they follow from those of the full one."""
    full, swa = (number(line.values[name]) for name in ("full", "swa"))
    for name, rate in (("c4", 4), ("c128", 128)):
        for each in figures(line, {name: f"{name} (tokens)"}).values():
            yield each.against(full // rate, f"{full:,} / {rate}")
    printed = figures(line, {"swa": "swa (tokens)", "c4_state": "c4_state (rows)"})
    if run.subject.model is None:
        yield from (each.cannot(NO_MODEL) for each in printed.values())
        return
    page, ratio = run.sizer.resolved.page, run.sizer.resolved.ratio
    yield printed.pop("swa").against(
        run.sizer.window_beside(full), f"{full:,} x {ratio:g}, in pages of {page}"
    )
    for each in printed.values():
        yield each.against(swa // page * RING[4], f"{RING[4]} for each page of the window pool")


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "compressed": _compressed,
    "compressed pools": _pools,
}
"""How each kind of line is checked."""
