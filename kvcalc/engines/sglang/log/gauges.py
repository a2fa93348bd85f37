"""What a running SGLang says of its pools: the tokens in use, and their share.

Read in SGLang 0.5.23 (srt/observability/metrics_collector.py): the share is of the fullest pool.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.log import AGREES, DIFFERS, Checked, Found, Printed, pattern
from kvcalc.engines.sglang.layout import lay_out
from kvcalc.engines.sglang.log.run import Run
from kvcalc.engines.sglang.resolved import resolve
from kvcalc.errors import KvcalcError

GAUGE = r"[0-9]{1,15}(?:\.[0-9]{1,20})?(?:e[+-][0-9]{1,3})?"
"""A number, as Prometheus' clients print a float."""

LABELS = r"(?:\{[^}]{0,400}\})?"

PATTERNS = (
    *(
        pattern(kind, f"sglang:{name}", rf"sglang:{name}{LABELS} (?P<{of}>{GAUGE})")
        for kind, of, name in (
            ("gauge", "in_use_of_all", "token_usage"),
            ("gauge in use", "in_use", "num_used_tokens"),
            ("gauge limit", "limit", "max_total_num_tokens"),
        )
    ),
    pattern("name", "sglang:token_usage", r'model_name="(?P<named>[^"]{1,200})"'),
)

MISSING = "sglang:num_used_tokens or sglang:max_total_num_tokens is missing"
FULLER = "another pool is fuller than that of full attention, and the fullest counts"

ROUNDED = Fraction(1, 100)
"""Some releases round the share to hundredths."""


def _usage(run: Run, line: Found) -> Iterator[Checked]:
    """The share of the pool's tokens that are in use."""
    usage = Fraction(line.values["in_use_of_all"])
    printed = Printed(line.line, "token usage (share)", str(float(usage)), places=9)
    used, limit = (run.least(name) for name in ("in_use", "limit"))
    if used is None or not limit:
        yield printed.cannot(MISSING)
        return
    ours = used / limit
    if usage > ours + ROUNDED:
        yield printed.cannot(FULLER)
        return
    verdict = AGREES if abs(usage - ours) <= ROUNDED else DIFFERS
    why = f"{int(used):,} of {int(limit):,} tokens{_room(run, int(limit) - int(used))}"
    yield Checked(line.line, printed.figure, float(usage), float(ours), verdict, why)


def _room(run: Run, free: int) -> str:
    """How many more requests the free tokens of the pool of full attention hold, in whole pages."""
    model = run.subject.model
    if model is None:
        return ""
    context = run.context or model.max_context
    if context is None:
        return ""
    try:
        settings = run.settings({})
        resolved = resolve(model, settings)
        of_full = "" if lay_out(model, settings, resolved).window is None else " in the full pool"
    except KvcalcError:  # nothing is known of its pages
        return ""
    more = free // resolved.page // -(-context // resolved.page)
    return f"; the others hold {more:,} more requests of {context:,} tokens{of_full}"


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {"gauge": _usage}
"""How each kind of line is checked."""
