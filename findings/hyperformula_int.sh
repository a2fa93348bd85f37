#!/usr/bin/env bash
# Guess: INT(x) in HyperFormula, an engine for spreadsheets' formulas in JavaScript, is the whole
# number below x, as in Excel, Sheets and Calc. So -INT(-7/2), the usual way to round up a count of
# blocks, is 4, and MOD(a,b) is a-b*INT(a/b).
#
# Seen: INT cuts towards zero, as TRUNC does. -INT(-7/2) is 3, a block too few, and the identity
# with the engine's own MOD is broken. INT((7+2-1)/2) and CEILING give 4 here too.
#
# Needs node and npm.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-audit --no-fund hyperformula@3.5.0

cat > ask.js <<'END'
const { HyperFormula } = require("hyperformula");
console.log("hyperformula", HyperFormula.version);
const row = ["=INT(-1.5)", "=TRUNC(-1.5)", "=FLOOR(-1.5,1)", "=-INT(-7/2)", "=INT((7+2-1)/2)",
             "=CEILING(7/2,1)", "=MOD(-3,2)", "=-3-2*INT(-3/2)"];
const engine = HyperFormula.buildFromArray([row], { licenseKey: "gpl-v3" });
row.forEach((text, col) => console.log(text, engine.getCellValue({ sheet: 0, row: 0, col })));
END

node ask.js | tee seen
diff - seen <<'END'
hyperformula 3.5.0
=INT(-1.5) -1
=TRUNC(-1.5) -1
=FLOOR(-1.5,1) -2
=-INT(-7/2) 3
=INT((7+2-1)/2) 4
=CEILING(7/2,1) 4
=MOD(-3,2) 1
=-3-2*INT(-3/2) -1
END
