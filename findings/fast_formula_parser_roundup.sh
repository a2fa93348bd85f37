#!/usr/bin/env bash
# Guess: ROUNDUP(x,0) in fast-formula-parser, an engine for Excel's formulas in JavaScript, leaves a
# whole number alone, as in Excel, Sheets and Calc. So 16 GPUs in servers of 8 are ROUNDUP(16/8,0)
# = 2 servers.
#
# Seen: 3. It adds a half and rounds, and a half more than a whole number rounds up: every quotient
# without remainder becomes one more, 131,072 tokens in blocks of 16 are 8,193 blocks, and of 0 it
# makes -1. Only what divides evenly is wrong, and plans are full of that. CEILING and -INT(-x) give
# 2 here too.
#
# Needs node and npm.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-audit --no-fund fast-formula-parser@1.0.19

cat > ask.js <<'END'
const Parser = require("fast-formula-parser");
console.log("fast-formula-parser", require("fast-formula-parser/package.json").version);
const engine = new Parser();
for (const text of ["ROUNDUP(17/8,0)", "ROUNDUP(16/8,0)", "CEILING(16/8,1)", "-INT(-16/8)",
                    "ROUNDUP(131072/16,0)", "CEILING(131072/16,1)", "ROUNDUP(16000,-3)",
                    "ROUNDUP(1.5,1)", "ROUNDUP(0,0)"]) {
    console.log("=" + text, engine.parse(text, { sheet: "plan", row: 1, col: 1 }));
}
END

node ask.js | tee seen
diff - seen <<'END'
fast-formula-parser 1.0.19
=ROUNDUP(17/8,0) 3
=ROUNDUP(16/8,0) 3
=CEILING(16/8,1) 2
=-INT(-16/8) 2
=ROUNDUP(131072/16,0) 8193
=CEILING(131072/16,1) 8192
=ROUNDUP(16000,-3) 17000
=ROUNDUP(1.5,1) 1.6
=ROUNDUP(0,0) -1
END
