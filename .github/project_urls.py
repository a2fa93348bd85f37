"""The project's addresses in a wheel's metadata: those of the repository that it is built in.

GitHub Actions names it in two variables (docs.github.com, "Default environment variables"). A build
anywhere else knows of no address and gives none.
"""

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAGES = {
    "Repository": "",
    "Issues": "/issues",
    "Changelog": "/blob/main/CHANGELOG.md",
    "Documentation": "/tree/main/.github/docs",
    "Security": "/blob/main/.github/SECURITY.md",
}


class ProjectUrls(MetadataHookInterface):
    """What hatchling asks for metadata that pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `urls`, none of them where the build is in no repository of GitHub's."""
        server, name = (os.environ.get(f"GITHUB_{part}") for part in ("SERVER_URL", "REPOSITORY"))
        pages = PAGES.items() if server and name else ()
        metadata["urls"] = {page: f"{server}/{name}{path}" for page, path in pages}
