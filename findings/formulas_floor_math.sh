#!/usr/bin/env bash
# Guess: FLOOR.MATH(x) in formulas, a Python engine for Excel's workbooks, is FLOOR.MATH(x,1), since
# the second argument is 1 where it is left out. How many sessions fit a GPU of 80 GiB under weights
# of 131.5, at 10 a session, is FLOOR.MATH((80-131.5)/10) = -6: none, and far from it.
#
# Seen: 5 sessions fit. Without the second argument the sign is lost; with it the answer is -6.
# CEILING.MATH, FLOOR.PRECISE and CEILING.PRECISE do the same. So a plan for a GPU that cannot even
# hold the weights turns into one that serves, the better the worse the GPU: of 24 GiB it says 10.
# INT and FLOOR keep the sign.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check formulas==1.3.4

cat > ask.py <<'END'
from importlib.metadata import version

import formulas

print("formulas", version("formulas"))
for text in (
    "FLOOR.MATH((160-131.5)/10)",
    "FLOOR.MATH((80-131.5)/10)",
    "FLOOR.MATH((24-131.5)/10)",
    "FLOOR.MATH((80-131.5)/10,1)",
    "INT((80-131.5)/10)",
    "FLOOR((80-131.5)/10,1)",
    "FLOOR.PRECISE((80-131.5)/10)",
    "CEILING.MATH((80-131.5)/10)",
    "CEILING.PRECISE((80-131.5)/10)",
):
    print("=" + text, float(formulas.Parser().ast("=" + text)[1].compile()()))
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
formulas 1.3.4
=FLOOR.MATH((160-131.5)/10) 2.0
=FLOOR.MATH((80-131.5)/10) 5.0
=FLOOR.MATH((24-131.5)/10) 10.0
=FLOOR.MATH((80-131.5)/10,1) -6.0
=INT((80-131.5)/10) -6.0
=FLOOR((80-131.5)/10,1) -6.0
=FLOOR.PRECISE((80-131.5)/10) 5.0
=CEILING.MATH((80-131.5)/10) 6.0
=CEILING.PRECISE((80-131.5)/10) 6.0
END
