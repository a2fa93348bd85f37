#!/usr/bin/env bash
# Guess: HyperFormula, an engine for spreadsheets' formulas in JavaScript, gives a whole number below
# 2^53 as it is, for its numbers are doubles, and one that was typed in all the more. What it rounds
# (smartRounding, on by default) is noise such as that of 0.1+0.2.
#
# Seen: it gives out 11 digits of any number, by the default of precisionRounding, and zeros behind:
# 80 sequences of 12,903,776,256 bytes are 1,032,302,100,500, not ...480, and ...480 itself, typed
# in, is read back so. Figures in bytes are exact to 93 GiB, which one GPU has. Inside it reckons
# with all digits, so no formula in the sheet notices. smartRounding: false gives the guess.
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
const row = [1032302100480, "=12903776256*7", "=12903776256*80", "=2^40+1", "=2^40+1-2^40"];
for (const more of [{}, { smartRounding: false }]) {
    const engine = HyperFormula.buildFromArray([row], { licenseKey: "gpl-v3", ...more });
    console.log(more);
    row.forEach((text, col) => console.log(" ", text, engine.getCellValue({ sheet: 0, row: 0, col })));
}
END

node ask.js | tee seen
diff - seen <<'END'
hyperformula 3.5.0
{}
  1032302100480 1032302100500
  =12903776256*7 90326433792
  =12903776256*80 1032302100500
  =2^40+1 1099511627800
  =2^40+1-2^40 1
{ smartRounding: false }
  1032302100480 1032302100480
  =12903776256*7 90326433792
  =12903776256*80 1032302100480
  =2^40+1 1099511627777
  =2^40+1-2^40 1
END
