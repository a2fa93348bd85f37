"""Workflows run what they name: actions by their content, with no more rights than to read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
"""An action by the hash of its commit, with the release that it is."""

PATH = re.compile(r"(?<![\w./])(?:tests|\.ci)/[\w./$-]+")


def steps(path: Path) -> list[dict[str, Any]]:
    return [
        step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]
    ]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_named_by_its_content(path: Path) -> None:
    named = re.findall(r"uses: (.*)", path.read_text())
    assert named
    assert [one for one in named if not PINNED.fullmatch(one)] == []
    told = [one.split("@") for one in named]
    assert len({name for name, _ in told}) == len({(name, at) for name, at in told})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_ends(path: Path) -> None:
    table = yaml.safe_load(path.read_text())
    assert table["permissions"] == {"contents": "read"}
    assert all(
        job["timeout-minutes"] <= 90 and "permissions" not in job for job in table["jobs"].values()
    )
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "values reach a shell by its environment"
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    named = [name for step in steps(path) for name in PATH.findall(step.get("run", ""))]
    assert named
    scripts = [one["matrix"]["script"] for one in strategies(path) if "script" in one["matrix"]]
    for name in named:
        for script in scripts[0] if "$" in name else [""]:
            assert (ROOT / name.replace("$SCRIPT", script)).exists(), name


def strategies(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return [job["strategy"] for job in jobs if "strategy" in job]
