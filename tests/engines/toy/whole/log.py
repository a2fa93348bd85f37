from collections.abc import Iterator, Sequence

from kvcalc.engines.engine import Settings
from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    Checked,
    EngineLog,
    Found,
    Printed,
    Subject,
    pattern,
)
from tests.engines.toy import cost


def check(found: Sequence[Found], subject: Subject) -> Iterator[Checked]:
    for line in found:
        printed = Printed(line.line, "page (bytes)", line.values["size"])
        if subject.model is None:
            yield printed.cannot(NO_MODEL)
        else:
            yield printed.against(
                cost(subject.model, Settings()).per_gpu(1), "a page of all layers"
            )


LOG = EngineLog(
    patterns=(pattern("page", "toy: a page of", rf"toy: a page of (?P<size>{COUNT}) bytes"),),
    check=check,
)
