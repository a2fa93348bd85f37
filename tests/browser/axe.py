"""axe-core, which finds what bars people who do not see or do not point; npm fetches it."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

from tests.formula.languages.executors import missing, program

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of axe.min.js, so that nothing else is ever run."""


def axe(folder: Path) -> str:
    """Fetch the script into a folder; without npm or a network the test is skipped."""
    command = [program("npm"), "pack", f"axe-core@{VERSION}", "--silent", "--prefer-offline"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if ran.returncode:
        missing(f"axe-core {VERSION} could not be fetched: {ran.stderr}")
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        script = member.read()
    assert hashlib.sha256(script).hexdigest() == SHA256
    return script.decode()
