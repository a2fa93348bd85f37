"""Draw the README's picture: python tests/generate_picture.py.

`tests/test_picture.py` holds its data against what kvcalc draws now.
"""

from pathlib import Path

import kvcalc

FOLDER = Path(__file__).parents[1] / ".github"
SPEC = FOLDER / "k-exaone.vl.json"
LIGHT, DARK = FOLDER / "k-exaone.svg", FOLDER / "k-exaone-dark.svg"


def chart() -> kvcalc.Chart:
    """K-EXAONE at a window of 4,096 against 128, on three engines."""
    model = kvcalc.load("k-exaone-236b-a23b")
    engines = ["ideal", "vllm", "sglang"]
    return kvcalc.plot(model, engine=engines, window=[4096, 128]).plot()


if __name__ == "__main__":
    drawn = chart()
    drawn.save(SPEC)
    drawn.save(LIGHT)
    drawn.save(DARK, dark=True)
