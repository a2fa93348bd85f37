#!/usr/bin/env bash
# Guess: in pint, the Python library for quantities with units, int() of a size is an error, as
# int() of a length is, or its number of bytes. To forget a unit in a plan (free memory divided by
# the 327,680 bytes that a token takes) is an error too, or does no harm, for both are bytes.
#
# Seen: no error: information is a number without dimension there, and its base is the BIT. So
# int(80 GiB) is 687,194,767,360, 80 GiB are more than 200e9, and 80 GiB over 327680 are 2,097,152
# tokens, not 262,144: 8 times what fits, on each road that drops the unit. It shows 80 gibibyte
# until then.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check pint==0.25.3

cat > ask.py <<'END'
import math
from importlib.metadata import version

import pint

print("pint", version("pint"))
unit = pint.UnitRegistry()
free = unit("80 GiB")
token = unit("327680 byte")
print("free:", free, "or", free.to("byte"))
print("int:", int(free))
print("more than 200e9:", free > 200e9)
print("tokens, unit kept:", math.floor(free / token))
print("tokens, unit forgotten:", math.floor(free / 327680))
print("less 10e9:", (free - 10e9).to("GiB"))
try:
    int(unit("80 m"))
except pint.DimensionalityError as error:
    print("int of a length:", error)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
pint 0.25.3
free: 80 gibibyte or 85899345920 byte
int: 687194767360
more than 200e9: True
tokens, unit kept: 262144
tokens, unit forgotten: 2097152
less 10e9: 78.83584678173065 gibibyte
int of a length: Cannot convert from 'meter' to 'dimensionless'
END
