#!/usr/bin/env bash
# Guess: ceiling(n/d) of an integer symbol in sympy, a number of blocks, stays exact when lambdify
# makes a function of it: doubles hold n and d, and divide exactly what divides evenly.
#
# Seen: nothing is divided. The function multiplies by 1/d, which is rounded. A token of DeepSeek V2
# Lite takes 31,104 bytes: what 3 tokens take is said to be that of 4, and so for two in three whole
# numbers of tokens. At 50,176 bytes floor, the tokens that fit, is one short for three in five. 16
# and 48 are right by luck. The printers for C and JavaScript write the same product. (n + d - 1) // d
# in Python, on integers, is exact.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check sympy==1.14.0 mpmath==1.3.0

cat > ask.py <<'END'
import sympy

print("sympy", sympy.__version__)
n = sympy.Symbol("n", integer=True, positive=True)
for step in (16, 48, 31104, 50176):
    up, down = sympy.ceiling(n / step), sympy.floor(n / step)
    count_up, count_down = sympy.lambdify(n, up, "math"), sympy.lambdify(n, down, "math")
    more = sum(count_up(whole * step) > whole for whole in range(1, 1001))
    less = sum(count_down(whole * step) < whole for whole in range(1, 1001))
    print(f"{step}: of 1,000 whole quotients ceiling is more than {more}, floor less than {less}")
    print(" ", sympy.pycode(up), "or", sympy.ccode(up), "or", sympy.jscode(up))
print("3 * 31104 / 31104:", sympy.lambdify(n, sympy.ceiling(n / 31104), "math")(3 * 31104))
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
sympy 1.14.0
16: of 1,000 whole quotients ceiling is more than 0, floor less than 0
  math.ceil((1/16)*n) or ceil((1.0/16.0)*n) or Math.ceil((1/16)*n)
48: of 1,000 whole quotients ceiling is more than 0, floor less than 0
  math.ceil((1/48)*n) or ceil((1.0/48.0)*n) or Math.ceil((1/48)*n)
31104: of 1,000 whole quotients ceiling is more than 682, floor less than 0
  math.ceil((1/31104)*n) or ceil((1.0/31104.0)*n) or Math.ceil((1/31104)*n)
50176: of 1,000 whole quotients ceiling is more than 0, floor less than 603
  math.ceil((1/50176)*n) or ceil((1.0/50176.0)*n) or Math.ceil((1/50176)*n)
3 * 31104 / 31104: 4
END
