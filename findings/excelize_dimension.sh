#!/usr/bin/env bash
# Guess: rows that excelize (the Go library, by its Python binding) appends to a workbook are there
# for every reader, and openpyxl's two modes read the same rows.
#
# Seen: excelize leaves the sheet's <dimension> as it was: that of the workbook it opened, or A1 in
# one that it made. openpyxl's read-only mode believes <dimension> and gives what lies within: the
# appended rows are lost and, of a new workbook, all but one cell, with no warning. The default mode
# gives all. In read-only mode reset_dimensions() does too.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check \
    --no-deps excelize==0.1.0 openpyxl==3.1.5 et_xmlfile==2.0.0

cat > ask.py <<'END'
import re
import zipfile
from importlib.metadata import version

import excelize
import openpyxl

print("excelize", version("excelize"), "openpyxl", version("openpyxl"))

book = openpyxl.Workbook()
for row in (("model", "context"), ("a", 1), ("b", 2)):
    book.active.append(row)
book.active.title = "Sheet1"
book.save("opened.xlsx")

for name, book, first in (
    ("appended", excelize.open_file("opened.xlsx"), 4),
    ("new", excelize.new_file(), 1),
):
    for row in (first, first + 1):
        book.set_cell_value("Sheet1", f"A{row}", "more")
        book.set_cell_value("Sheet1", f"B{row}", row)
    book.save_as(f"{name}.xlsx")
    xml = zipfile.ZipFile(f"{name}.xlsx").read("xl/worksheets/sheet1.xml").decode()
    print(name, re.search("<dimension[^>]*>", xml)[0], "rows in the file:", xml.count("<row "))
    print("  default:  ", list(openpyxl.load_workbook(f"{name}.xlsx").active.values))
    sheet = openpyxl.load_workbook(f"{name}.xlsx", read_only=True).active
    print("  read-only:", list(sheet.values))
    sheet.reset_dimensions()
    print("  reset:    ", list(sheet.values))
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
excelize 0.1.0 openpyxl 3.1.5
appended <dimension ref="A1:B3"> rows in the file: 5
  default:   [('model', 'context'), ('a', 1), ('b', 2), ('more', 4), ('more', 5)]
  read-only: [('model', 'context'), ('a', 1), ('b', 2)]
  reset:     [('model', 'context'), ('a', 1), ('b', 2), ('more', 4), ('more', 5)]
new <dimension ref="A1"> rows in the file: 2
  default:   [('more', 1), ('more', 2)]
  read-only: [('more',)]
  reset:     [('more', 1), ('more', 2)]
END
