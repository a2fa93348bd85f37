#!/usr/bin/env bash
# Guess: CONVERT(80,"Gibyte","byte") in formulas, a Python engine for Excel's workbooks, is what it is
# in Excel, 80 * 2^30 = 85,899,345,920, as 80 Gbyte are 80,000,000,000.
#
# Seen: 2,240. Each binary prefix has its powers taken by Python's ^, which is exclusive or: a kibi
# is 8, a mebi 22, a gibi 28, a tebi 42. So 12 GiB of cache are 460,175,067 "Gibyte", and a tebibyte
# is one and a half gibibytes, which does not even look wrong. The decimal prefixes are right, and
# 2^30 in a formula is.
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
    'CONVERT(80,"Gbyte","byte")',
    'CONVERT(80,"Gibyte","byte")',
    'CONVERT(1,"kibyte","byte")',
    'CONVERT(1,"Mibyte","byte")',
    'CONVERT(12884901888,"byte","Gibyte")',
    'CONVERT(1,"Tibyte","Gibyte")',
    "80*2^30",
):
    print("=" + text, float(formulas.Parser().ast("=" + text)[1].compile()()))
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
formulas 1.3.4
=CONVERT(80,"Gbyte","byte") 80000000000.0
=CONVERT(80,"Gibyte","byte") 2240.0
=CONVERT(1,"kibyte","byte") 8.0
=CONVERT(1,"Mibyte","byte") 22.0
=CONVERT(12884901888,"byte","Gibyte") 460175067.4285714
=CONVERT(1,"Tibyte","Gibyte") 1.5
=80*2^30 85899345920.0
END
