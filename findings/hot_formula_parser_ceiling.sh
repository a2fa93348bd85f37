#!/usr/bin/env bash
# Guess: CEILING(x,16) in hot-formula-parser, an engine for Excel's formulas in JavaScript, is the
# next multiple of 16, as in Excel, Sheets and Calc: 131,073 tokens take cells for 131,088.
#
# Seen: 131,090, which is no multiple of 16. It rounds the result to as many zeros as the second
# argument has digits after the first: to tens for 16, to hundreds for 256. 131,072 tokens, which
# fill their blocks, shrink to 131,070, and one token takes 20. A step of one digit is right, and
# rounding the quotient, CEILING(x/16,1)*16, is. FLOOR does the same, MROUND does not.
#
# Needs node and npm.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-audit --no-fund hot-formula-parser@4.0.0

cat > ask.js <<'END'
const { Parser } = require("hot-formula-parser");
console.log("hot-formula-parser", require("./node_modules/hot-formula-parser/package.json").version);
const engine = new Parser();
for (const text of ["CEILING(131073,16)", "CEILING(131072,16)", "CEILING(1,16)", "CEILING(8193,256)",
                    "FLOOR(1000,16)", "CEILING(15,4)", "CEILING(131073/16,1)*16",
                    "MROUND(131073,16)"]) {
    console.log("=" + text, engine.parse(text).result);
}
END

node ask.js | tee seen
diff - seen <<'END'
hot-formula-parser 4.0.0
=CEILING(131073,16) 131090
=CEILING(131072,16) 131070
=CEILING(1,16) 20
=CEILING(8193,256) 8400
=FLOOR(1000,16) 990
=CEILING(15,4) 16
=CEILING(131073/16,1)*16 131088
=MROUND(131073,16) 131072
END
