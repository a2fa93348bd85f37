#!/usr/bin/env bash
# Guess: the number format that shows sizes as G and M in a sheet, with two conditions and a rest,
# shows a negative number by its last part, 0, with the minus sign, as Excel does: the memory that a
# GPU is short of stays a shortfall.
#
# Seen: SheetJS (xlsx, the release that npm has) drops the sign: -12,884,901,888 bytes free is shown
# as 12884901888, and sheet_to_csv writes what is shown, so the file that it exports has a surplus
# where the sheet has a shortfall. With General as the last part, or without conditions, the sign is
# there.
#
# Needs node and npm.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-audit --no-fund xlsx@0.18.5

cat > ask.js <<'END'
const XLSX = require("xlsx");
console.log("xlsx", XLSX.version);
const rows = [["free"], [12884901888], [-1500], [-12884901888]];
for (const format of ['[>=1000000000]0.0,,,"G";[>=1000000]0.0,,"M";0',
                      '[>=1000000000]0.0,,,"G";[>=1000000]0.0,,"M";General',
                      '[>=1000]0.0,"K";0', "0"]) {
    const sheet = XLSX.utils.aoa_to_sheet(rows);
    for (const cell of ["A2", "A3", "A4"]) sheet[cell].z = format;
    const book = XLSX.utils.book_new();
    XLSX.utils.book_append_sheet(book, sheet);
    const file = XLSX.write(book, { type: "buffer", bookType: "xlsx" });
    const back = XLSX.read(file, { cellNF: true }).Sheets.Sheet1;
    console.log(back.A4.z, back.A4.v, "->", XLSX.utils.sheet_to_csv(back).replaceAll("\n", " "));
}
END

node ask.js | tee seen
diff - seen <<'END'
xlsx 0.18.5
[>=1000000000]0.0,,,"G";[>=1000000]0.0,,"M";0 -12884901888 -> free 12.9G 1500 12884901888
[>=1000000000]0.0,,,"G";[>=1000000]0.0,,"M";General -12884901888 -> free 12.9G -1500 -12884901888
[>=1000]0.0,"K";0 -12884901888 -> free 12884901.9K 1500 12884901888
0 -12884901888 -> free 12884901888 -1500 -12884901888
END
