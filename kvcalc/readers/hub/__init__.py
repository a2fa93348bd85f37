"""Repositories of the Hugging Face Hub: config.json is fetched whole, a .gguf file by ranges.

All traffic goes through huggingface_hub, so that its cache, HF_TOKEN, HF_ENDPOINT and
HF_HUB_OFFLINE apply; it is an extra, imported only when a repository is read.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import quote as escaped

from kvcalc.errors import SourceError, quote
from kvcalc.readers.hub.answers import SECONDS, TooLongError, collected, streamed, within
from kvcalc.readers.hub.errors import hub_errors
from kvcalc.readers.hub.ids import PART, HubId, parse
from kvcalc.readers.hub.ranges import RangeStream

__all__ = [
    "HubId",
    "NoConfigError",
    "RangeStream",
    "fetch_config",
    "list_files",
    "open_file",
    "open_gguf",
    "parse",
]

MAX_CONFIG_BYTES = 4 * 2**20
MAX_LISTING_BYTES = 8 * 2**20
MAX_LISTED = 2**18

DEFAULT_QUANTISATIONS = ("Q4_K_M", "Q4_0")  # in llama.cpp's order

_NO_MODEL = re.compile(r"mmproj|imatrix|(^|/)mtp-", re.IGNORECASE)


class NoConfigError(SourceError):
    """The repository exists and can be read, but has no config.json."""


def fetch_config(hub_id: HubId, name: str = "config.json") -> Path:
    """Download a repository's config.json, and nothing else, into huggingface_hub's cache.

    `name` may be another small file beside it.

    Raises:
        NoConfigError: the repository has no such file.
        SourceError: it cannot be read; the sentence says why and what to do.
    """
    with hub_errors(hub_id):
        return within(lambda: _config(hub_id, name))


def _config(hub_id: HubId, name: str) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

    where = (hub_id.repository, name)
    revision = hub_id.revision
    try:
        size = get_hf_file_metadata(hf_hub_url(*where, revision=revision)).size
    except EntryNotFoundError:
        raise NoConfigError(
            f"{quote(hub_id.repository)} holds no {name}", source=hub_id.repository
        ) from None
    except RevisionNotFoundError:
        raise
    except Exception as error:  # the Hub cannot be reached: a cached answer is as good
        try:
            return Path(hf_hub_download(*where, revision=revision, local_files_only=True))
        except EntryNotFoundError:
            raise error from None
    if size is None or size > MAX_CONFIG_BYTES:
        found = "of a size that the Hub does not say" if size is None else f"{size:,} bytes"
        raise SourceError.of(
            hub_id.repository,
            f"found {name} {found}, expected at most {MAX_CONFIG_BYTES:,} bytes",
        )
    meter: Any = _meter(hub_id, size, name)
    return Path(hf_hub_download(*where, revision=revision, tqdm_class=meter))


def open_gguf(hub_id: HubId) -> RangeStream:
    """Open the .gguf file of a repository that llama.cpp would take, without downloading it.

    Raises:
        SourceError: it cannot be read, or has no such file.
    """
    commit, files = _listing(hub_id)
    name = _choose(hub_id, files)
    # All pieces come from one commit, even if the branch moves meanwhile.
    return open_file(hub_id._replace(revision=commit or hub_id.revision), name)


def open_file(hub_id: HubId, name: str) -> RangeStream:
    """Open a file of a repository, to read it by ranges.

    Raises:
        SourceError: it cannot be read.
    """
    with hub_errors(hub_id):
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(hub_id.repository, name, revision=hub_id.revision)
    return RangeStream(hub_id, name, url)


def list_files(hub_id: HubId) -> list[str]:
    """List the names of a repository's files.

    Raises:
        SourceError: it cannot be read.
    """
    return _listing(hub_id)[1]


def _listing(hub_id: HubId) -> tuple[str | None, list[str]]:
    """Ask for a repository's commit and the names of its files (the Hub's API: /api/models)."""
    with hub_errors(hub_id):
        table = within(lambda: _answer(hub_id))
    match table:
        case {"sha": str() | None as commit, "siblings": list(files)} if all(
            isinstance(one, dict) and isinstance(one.get("rfilename"), str) for one in files
        ):
            return commit, [one["rfilename"] for one in files]
    raise SourceError.of(hub_id.repository, "the Hub's answer does not list the repository's files")


def _answer(hub_id: HubId) -> Any:
    """The API's answer about a repository; None for what is no JSON."""
    from huggingface_hub import constants, hf_raise_for_status

    at = f"/revision/{escaped(hub_id.revision, safe='')}" if hub_id.revision else ""
    url = f"{constants.ENDPOINT}/api/models/{hub_id.repository}{at}"
    with streamed(url, {}, constants.HF_HUB_ETAG_TIMEOUT) as response:
        hf_raise_for_status(response)
        try:
            content = collected(response.iter_raw(), MAX_LISTING_BYTES)
        except TooLongError as error:
            raise SourceError.of(hub_id.repository, f"the Hub's list of files is {error}") from None
    if content.count(b"{") + content.count(b"[") > MAX_LISTED:
        raise SourceError.of(hub_id.repository, f"the Hub lists more than {MAX_LISTED:,} files")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _choose(hub_id: HubId, files: Sequence[str]) -> str:
    """The file that llama.cpp takes: the first of the quantisation, or part 1 of a split."""
    models = [file for file in files if file.endswith(".gguf") and not _NO_MODEL.search(file)]
    heads = [file for file in models if _is_head(file)]
    wanted = hub_id.quantisation
    for tag in map(re.escape, [wanted] if wanted else DEFAULT_QUANTISATIONS):
        # The second pattern is llama.cpp's own; the first keeps F16 from matching BF16.
        for pattern in (rf"(?<![A-Za-z0-9]){tag}[.-]", rf"{tag}[.-]"):
            for file in heads:
                if re.search(pattern, file, re.IGNORECASE):
                    return file
    if heads and not wanted:
        return heads[0]
    repository = quote(hub_id.repository)
    if not heads:
        raise SourceError(
            f"{repository} holds no .gguf model; name a repository that holds one",
            source=hub_id.repository,
        )
    some = ", ".join(quote(file) for file in heads[:8]) + (", ..." if heads[8:] else "")
    raise SourceError(
        f"{repository} holds no .gguf of {quote(wanted)}; it holds {some}",
        source=hub_id.repository,
    )


def _is_head(file: str) -> bool:
    part = PART.search(file.removesuffix(".gguf"))
    return part is None or int(part["number"]) == 1


def _meter(hub_id: HubId, size: int, name: str) -> type:
    """A silent progress bar that stops a download larger than its announced size."""

    class Meter:
        received, end = 0, monotonic() + SECONDS

        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, received: float | None = 1) -> None:
            self.received += max(int(received or 0), 0)
            if monotonic() > self.end:
                raise SourceError.of(
                    hub_id.repository, f"{name} is not complete after {SECONDS:.0f} seconds"
                )
            if self.received > size:
                raise SourceError.of(
                    hub_id.repository,
                    f"{name} is longer than the {size:,} bytes that the Hub announced; try again",
                )

    return Meter
