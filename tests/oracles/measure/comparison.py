"""Measure stored cases again, and say which fields moved: the command line of every script here.

A script gives its engine's forms: how to run one stored case of a file, and which of the case's
fields were asked (the others came out). A case that the engine refuses gives `refused`.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ORACLES = Path(__file__).parents[1]
Case = Mapping[str, Any]


def in_place(table: Mapping[str, Any], case: Any, found: Case, asked: frozenset[str]) -> None:
    """Put what came out into the case itself."""
    for name in [name for name in case if name not in asked]:
        del case[name]
    case.update(found)


@dataclass(frozen=True)
class Form:
    """One form of file: its cases, and what an engine's code gives for one of them."""

    file: str
    measure: Callable[[Mapping[str, Any], Case], Case]
    """From the whole file and a case: the fields that came out."""
    asked: frozenset[str]
    """Fields that are settings, or notes of how the case was found."""
    only: Callable[[Case], bool] = lambda case: True
    """Whether the script can run a case (it says why not where it is defined)."""
    cases: Callable[[Mapping[str, Any]], Sequence[Any]] = lambda table: list(table["cases"])
    put: Callable[[Mapping[str, Any], Any, Case, frozenset[str]], None] = in_place


def arguments(about: str | None, files: Sequence[str]) -> argparse.Namespace:
    """What every script takes."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("version", help="the engine's release, or newest")
    parser.add_argument("--file", action="append", choices=files, help="only this file's cases")
    parser.add_argument("--sample", type=int, help="so many cases of each file; all by default")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--write", type=Path, help="a folder to write the files to, measured anew")
    return parser.parse_args()


def moved(stored: Case, found: Case, asked: frozenset[str]) -> dict[str, tuple[Any, Any]]:
    """The fields that came out otherwise than they are stored: stored, found."""
    out = {name: stored[name] for name in stored if name not in asked}
    found = json.loads(json.dumps(found))
    return {
        name: (out.get(name), found.get(name))
        for name in sorted({*out, *found})
        if out.get(name) != found.get(name)
    }


def sample(cases: Sequence[Any], count: int | None, seed: int) -> Sequence[Any]:
    if count is None or count >= len(cases):
        return cases
    return random.Random(seed).sample(cases, count)


def run(forms: Sequence[Form], given: argparse.Namespace, source: str) -> Iterator[str]:
    """Measure the cases that were asked for; a line for each that moved."""
    for form in forms:
        if given.file and form.file not in given.file:
            continue
        begun = time.monotonic()
        table = json.loads((ORACLES / f"{form.file}.json").read_text())
        able = [case for case in form.cases(table) if form.only(case)]
        chosen = sample(able, given.sample, given.seed)
        count = 0
        for case in chosen:
            try:
                found = form.measure(table, case)
            except Exception as error:  # a case that cannot be run has moved too
                found = {"failed": f"{type(error).__name__}: {error}"[:300]}
            if differences := moved(case, found, form.asked):
                count += 1
                asked = {name: case[name] for name in case if name in form.asked}
                yield f"{form.file}: {json.dumps(asked)}\n  " + "\n  ".join(
                    f"{name}: stored {old}, found {new}" for name, (old, new) in differences.items()
                )
            if given.write:
                form.put(table, case, found, form.asked)
        seconds = time.monotonic() - begun
        print(
            f"{form.file}: {len(chosen) - count} of {len(chosen)} equal, "
            f"{len(able)} of {len(form.cases(table))} can be run, {seconds:.0f} s",
            flush=True,
        )
        if given.write:
            table["source"] = source
            (given.write / f"{form.file}.json").write_text(json.dumps(table, indent=0) + "\n")


def main(forms: Sequence[Form], given: argparse.Namespace, source: str) -> None:
    """Print the cases that moved; exit 1 where there are any."""
    print(source)
    lines = list(run(forms, given, source))
    print("\n".join(lines))
    sys.exit(bool(lines))
