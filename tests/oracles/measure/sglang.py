"""Measure SGLang's cases again: python tests/oracles/measure/sglang.py 0.5.23 --sample 50

Runs the release's own pool configurators, and its cap on requests: the tokens of each pool
(sglang_pools.py says what is stood in). This is a reduced form of what measured sglang.json: its
options are taken as that release resolved them, and the pools are not built, so their bytes are not
compared; models with states, DeepSeek V4, drafts and packed formats are left to the file, and the
indexers to sglang_versions. Its cases are those of sglang.json, cut by other releases; a release
that it does not have yet is measured by --file sglang_versions --write.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment, sglang_pools
from tests.oracles.measure.comparison import ORACLES, Case, Form

MEASURED = ("max_total_num_tokens", "full_tokens", "swa_tokens", "max_running_requests")
"""The figures that are compared."""

OTHER = ("linear_attention", "dsv4")
"""Models whose pools hold more than keys and values, or latent rows and an indexer's keys."""

PACKED = ("fp4", "mxfp8", "nvfp4")

REFUSALS = ("SWA pool", "Not enough memory")
"""How sentences begin by which SGLang turns a memory down."""

INTERVAL = "SGLANG_SWA_EVICTION_INTERVAL"


def measured(table: Mapping[str, Any], case: Case) -> Case:
    """Cut the case's budget into pools."""
    os.environ.pop(INTERVAL, None)
    os.environ.update(case["settings"].get("env", {}))
    try:
        found = sglang_pools.cut(case["facts"], case)
    except (ValueError, RuntimeError) as error:
        if not str(error).startswith(REFUSALS):
            raise
        return {"refused": str(error)}
    return {
        "max_total_num_tokens": found.max_total_num_tokens,
        "full_tokens": found.full_max_total_num_tokens,
        "swa_tokens": found.swa_max_total_num_tokens,
        "max_running_requests": found.max_running_requests,
    }


def plain(case: Case) -> bool:
    """Whether the pools are keys and values alone, of one format, without a draft."""
    return released(case) and not case["facts"].get("dsa")


def released(case: Case) -> bool:
    """The same, or latent rows with an indexer's keys; these by the backends of one GPU."""
    packed = str(case["resolved"]["kv_cache_dtype_name"]).startswith(PACKED)
    drafts = any(name.startswith(("speculative", "draft")) for name in case["settings"])
    other = any(case["facts"].get(kind) for kind in OTHER)
    other |= case["facts"].get("dsa", False) and case["hardware"] != "h100"
    return not (packed or drafts or other)


ASKED = ("model", "hardware", "budget_bytes", "settings", "resolved")
"""What a case of sglang.json is asked for."""


def asked(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cases of sglang.json without their figures, each with its place and its model."""
    return [
        {
            **{name: case[name] for name in ASKED},
            "facts": table["models"][case["model"]],
            "case": place,
        }
        for place, case in enumerate(table["cases"])
    ]


def forms(version: str, write: bool) -> list[Form]:
    """The newest release's file, and the one of all releases."""

    def newest(table: Mapping[str, Any]) -> list[Any]:
        results = [case["results"] for case in table["cases"]]
        return [
            {**case, **{name: found[name] for name in MEASURED}}
            for case, found in zip(asked(table), results, strict=True)
        ]

    def put(table: Mapping[str, Any], case: Any, found: Case, known: frozenset[str]) -> None:
        table["cases"][case["case"]]["results"].update(found)

    def of_release(table: Mapping[str, Any]) -> list[Any]:
        cases = asked(json.loads((ORACLES / "sglang.json").read_text()))
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
        own = [row for row in rows if row.pop("release") == version]
        if not own and write:
            return [case for case in cases if released(case)]
        return [
            {**cases[row["case"]], **{name: row[name] for name in row if row[name] is not None}}
            for row in own
        ]

    def put_row(table: Mapping[str, Any], case: Any, found: Case, known: frozenset[str]) -> None:
        row = {"release": version, "case": case["case"], **found}
        place = [row["release"], row["case"]]
        table["rows"][:] = [one for one in table["rows"] if one[:2] != place]
        table["rows"].append([row.get(name) for name in table["columns"]])

    known = frozenset((*ASKED, "facts", "case"))
    return [
        Form("sglang", measured, known, only=plain, cases=newest, put=put),
        Form("sglang_versions", measured, known, only=released, cases=of_release, put=put_row),
    ]


if __name__ == "__main__":
    given = comparison.arguments(__doc__, [form.file for form in forms("", write=False)])
    version = environment.enter("sglang", given.version)
    sglang_pools.own_configurations()
    made = forms(version, write=given.write is not None)
    comparison.main(made, given, f"SGLang {version}'s pool configurators on the CPU")
