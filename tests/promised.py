"""The facts that an error of each kind promises, whoever raised it; others may not be known."""

from kvcalc.errors import (
    KvcalcError,
    MissingExtraError,
    RequestError,
    SourceError,
    TooLittleMemoryError,
    UnsupportedError,
)

PROMISED: dict[type[KvcalcError], tuple[str, ...]] = {
    RequestError: ("field",),
    UnsupportedError: ("engine", "what"),
    TooLittleMemoryError: ("available_bytes",),
    SourceError: ("source",),
    MissingExtraError: ("extra",),
}


def missing(error: KvcalcError | None) -> list[str]:
    """The promised facts that an error lacks; one of no kind promises none, and is a fault."""
    if error is None:
        return []
    kinds = [facts for kind, facts in PROMISED.items() if isinstance(error, kind)]
    assert kinds, f"of no kind: {error}"
    return [fact for facts in kinds for fact in facts if getattr(error, fact) is None]
