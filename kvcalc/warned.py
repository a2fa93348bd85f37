"""Warnings, which name the line that called kvcalc."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def warn(sentence: str, kind: type[Warning]) -> None:
    """Warn of something at the line outside that called us."""
    import warnings

    frame: FrameType | None = sys._getframe(1)
    level = ours = 1
    while frame is not None:
        level += 1
        if str(frame.f_globals.get("__name__")).partition(".")[0] == "kvcalc":
            ours = level
        frame = frame.f_back
    warnings.warn(sentence, kind, stacklevel=ours + 1)
