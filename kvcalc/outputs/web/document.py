"""A page as one document: its script, its style and its data, all in the file itself.

Nothing of a model is markup: its texts go in as JSON, and the script puts them in place as text.
The document's policy lets it load nothing, and run and look as these two files say alone.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from kvcalc.answers.page import PagePlan
from kvcalc.formula.languages.javascript import HELPERS
from kvcalc.outputs.web.encoded import encoded

SCRIPTS = (
    "amounts.js",
    "answers.js",
    "elements.js",
    "settings.js",
    "commands.js",
    "chart.js",
    "views.js",
    "page.js",
)
"""The page's script, in the order in which its parts know each other."""


def document(plan: PagePlan) -> str:
    """Write a page as an HTML document that needs no other file."""
    data, functions = encoded(plan)
    parts = {
        "style": _file("page.css"),
        "functions": _formulas(functions),
        "script": '"use strict";\n' + "\n".join(map(_file, SCRIPTS)),
    }
    return Template(_file("page.html")).substitute(
        policy=_policy([parts["style"]], [parts["functions"], parts["script"]]),
        title=escape(f"KV cache memory: {', '.join(one.name for one in plan.models[:3])}"),
        data=_json(data),
        **parts,
    )


def _file(name: str) -> str:
    return files("kvcalc.outputs.web").joinpath(name).read_text(encoding="utf-8")


def _formulas(functions: Sequence[str]) -> str:
    helpers = ", ".join(HELPERS.values())
    listed = ",\n".join(functions)
    return f'"use strict";\nconst {helpers};\nconst functions = [\n{listed}\n];'


def _json(data: Any) -> str:
    """JSON that ends no script and is no markup, whatever its texts hold: all are ASCII."""
    text = json.dumps(data, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Nothing is loaded; what runs and how it looks is what stands here, by its hash."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            f"style-src {_hashes(styles)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
