"""axe-core, which finds what bars people who do not see or do not point; from the npm registry."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

from tests.formula.languages.executors import program

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
"""Of axe.min.js, so that nothing else is ever run."""


def axe(folder: Path) -> str:
    """The script; it is kept in a folder that outlives the run."""
    kept = folder / f"axe-core-{VERSION}.js"
    if not kept.exists():
        subprocess.run(
            [program("npm"), "pack", f"axe-core@{VERSION}", "--silent"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=120,
        )
        with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
            script = archive.extractfile("package/axe.min.js")
            assert script is not None
            kept.write_bytes(script.read())
    text = kept.read_bytes()
    assert hashlib.sha256(text).hexdigest() == SHA256
    return text.decode()
