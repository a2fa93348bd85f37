"""axe-core, which finds what bars people who do not see or do not point; npm fetches it."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

from tests.programs import missing, program

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of axe.min.js, so that nothing else is ever run."""


def axe(kept: Path, folder: Path) -> str:
    """Give the script as it was kept, else fetch it by way of a folder, and keep it.

    Without npm or a network the test is skipped.
    """
    script = kept.read_bytes() if kept.exists() else b""
    if not _is_it(script):
        script = _fetched(folder)
        assert _is_it(script)
        kept.write_bytes(script)
    return script.decode()


def _is_it(script: bytes) -> bool:
    return hashlib.sha256(script).hexdigest() == SHA256


def _fetched(folder: Path) -> bytes:
    command = [program("npm"), "pack", f"axe-core@{VERSION}", "--silent", "--prefer-offline"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if ran.returncode:
        missing(f"axe-core {VERSION} could not be fetched: {ran.stderr}")
    with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read()
