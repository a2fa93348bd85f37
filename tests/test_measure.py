"""Cases measured again: a sample of each file, by the engines' own code, equal in every field.

Each script makes an environment of its own the first time, of some GB: `pytest -m oracles`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "oracles" / "measure"

RELEASES = [
    ("vllm", "0.33.0"),
    ("vllm", "0.25.1", "--file", "vllm_versions"),
    ("vllm", "0.27.0", "--file", "vllm_kinds"),
    ("transformers", "5.24.0"),
    ("mlx", "0.32.2"),
    ("llama_cpp", "0.3.36"),
    ("sglang", "0.5.23"),
    ("sglang", "0.5.10", "--file", "sglang_versions"),
    ("sglang", "0.5.16", "--file", "sglang_versions"),
    ("lmdeploy", "0.16.0"),
    ("lmdeploy", "0.18.0"),
    ("exllamav3", "1.6.5"),
]
"""The releases whose cases are stored, by script, and others that give the same."""


@pytest.mark.oracles
@pytest.mark.parametrize("measure", RELEASES, ids=" ".join)
def test_a_sample_measured_again_is_equal(measure: tuple[str, ...]) -> None:
    script, *asked = measure
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *asked, "--sample", "15"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3_000:]
