"""Repositories of the Hugging Face Hub: config.json fetched whole, a .gguf file's head by ranges.

All traffic goes through huggingface_hub, so that its cache, HF_TOKEN, HF_ENDPOINT and
HF_HUB_OFFLINE hold; it is an extra, imported only where a repository is read.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from kvcalc.errors import KvcalcError, shown

MAX_CONFIG_BYTES = 16 * 2**20
MAX_RANGE_BYTES = 256 * 2**20
PIECE_BYTES = 2**20

DEFAULT_QUANTISATIONS = ("Q4_K_M", "Q4_0")  # in llama.cpp's order

# By the names of exception classes, the most derived first: huggingface_hub's HTTP library, and
# with it the classes of a failed connection, differs from version to version.
_SENTENCES = {
    "ImportError": "reading {repository} from the Hugging Face Hub needs the extra kvcalc[hub]: "
    "pip install 'kvcalc[hub]'",
    "GatedRepoError": "{repository} is gated: ask for access on its page on the Hub, then set "
    "HF_TOKEN to a token of that account",
    "DisabledRepoError": "{repository} has been disabled on the Hub; use another repository",
    "RevisionNotFoundError": "{repository} has no revision {revision}; name one of its branches, "
    "tags or commits",
    "RepositoryNotFoundError": "{repository} is no repository on the Hub, or a private one; check "
    "its name, or set HF_TOKEN to a token that may read it",
    "OfflineModeIsEnabled": "{repository} is not in the cache and offline mode is on; unset "
    "HF_HUB_OFFLINE to fetch it",
    "HfHubHTTPError": "{repository} cannot be read, the Hub answered HTTP {status}; check "
    "HF_TOKEN, or try again later",
    "TransportError": "{repository} cannot be fetched, the Hub gave no complete answer ({reason}); "
    "check the network and HF_ENDPOINT, and try again",
    "Exception": "{repository} cannot be read from the Hub ({reason}); check HF_ENDPOINT and "
    "HF_HOME, and try again",
}

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REF = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"  # no segment begins with a dot, so none leaves a folder
_ID = re.compile(
    r"(?P<site>(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/)?"
    rf"(?P<repository>{_NAME}/{_NAME})"
    rf"(?:@(?P<revision>{_REF}(?:/{_REF}){{0,7}})|(?(site)(?P<page>/[^:@?#]+)|(?!))|/)?"
    r"(?::(?P<quantisation>[A-Za-z0-9_.-]{1,64}))?"
    r"(?(site)(?:[?#].*)?)"
)
_PAGE = re.compile(
    rf"/(?:tree|blob|resolve|raw)/(?P<revision>refs/\w+/{_REF}|{_REF})(?P<file>/.*)?"
)
_NOT_MODELS = ("api", "blog", "collections", "datasets", "docs", "papers", "spaces")
_FILES = (".gguf", ".json", ".toml", ".yaml", ".yml")
_PART = re.compile(r"-(?P<number>\d{5})-of-\d{5}$")
_NO_MODEL = re.compile(r"mmproj|imatrix|(^|/)mtp-", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", re.ASCII)


class HubId(NamedTuple):
    """A repository of the Hub; without a revision its main branch is meant."""

    repository: str
    revision: str | None = None
    quantisation: str | None = None


class NoConfigError(KvcalcError):
    """The repository is there and may be read, but holds no config.json."""


def parse(text: str) -> HubId | None:
    """The Hub id that a text spells, if it spells one.

    Taken are `org/name`, `org/name@revision`, `org/name:Q4_K_M` and addresses on hf.co and
    huggingface.co; the address of a .gguf file asks for that file.
    """
    match = _ID.fullmatch(text)
    if match is None:
        return None
    repository, revision, quantisation = match.group("repository", "revision", "quantisation")
    if "--" in repository or ".." in repository or repository.split("/")[0] in _NOT_MODELS:
        return None
    if not match["site"] and repository.endswith(_FILES):  # a path whose file is not there
        return None
    if match["page"]:
        page = _PAGE.fullmatch(unquote(match["page"]))
        if page is None:
            return None
        revision, file = page.group("revision", "file")
        if file and file.endswith(".gguf") and quantisation is None:
            quantisation = _PART.sub("", Path(file).stem)
    return HubId(repository, revision, quantisation)


def fetch_config(hub_id: HubId) -> Path:
    """Download a repository's config.json, and nothing else, into huggingface_hub's cache.

    Raises:
        NoConfigError: the repository holds none.
        KvcalcError: it cannot be read; the sentence says why and what to do.
    """
    with _asking(hub_id):
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

        where = (hub_id.repository, "config.json")
        revision = hub_id.revision
        try:
            size = get_hf_file_metadata(hf_hub_url(*where, revision=revision)).size
        except EntryNotFoundError:
            raise NoConfigError(f"{shown(hub_id.repository)} holds no config.json") from None
        except RevisionNotFoundError:
            raise
        except Exception as error:  # no way to the Hub today: an earlier answer is as good
            try:
                return Path(hf_hub_download(*where, revision=revision, local_files_only=True))
            except EntryNotFoundError:
                raise error from None
        if size is None or size > MAX_CONFIG_BYTES:
            found = "of a size that the Hub does not say" if size is None else f"{size:,} bytes"
            raise KvcalcError(
                f"{shown(hub_id.repository)}: found config.json {found}, expected at most "
                f"{MAX_CONFIG_BYTES:,} bytes"
            )
        meter: Any = _meter(hub_id, size)
        return Path(hf_hub_download(*where, revision=revision, tqdm_class=meter))


def open_gguf(hub_id: HubId) -> "RangeStream":
    """Open the .gguf file of a repository that llama.cpp would take, without downloading it.

    Raises:
        KvcalcError: it cannot be read, or holds no such file.
    """
    with _asking(hub_id):
        from huggingface_hub import HfApi, constants, hf_hub_url

        info = HfApi().model_info(
            hub_id.repository, revision=hub_id.revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        files = [file.rfilename for file in info.siblings or ()]
        name = _choose(hub_id, files)
        # All pieces come from one commit, also when the branch moves meanwhile.
        url = hf_hub_url(hub_id.repository, name, revision=info.sha or hub_id.revision)
    return RangeStream(hub_id, name, url)


class RangeStream:
    """A file on the Hub, read by pieces as they are asked for.

    Raises:
        KvcalcError: a piece cannot be fetched, or more was asked for than a model's shape needs.
    """

    def __init__(self, hub_id: HubId, name: str, url: str) -> None:
        self.name = name
        self.fetched = 0
        self._hub_id = hub_id
        self._url = url
        self._position = 0
        self._start, self._piece = 0, b""
        self.size = MAX_RANGE_BYTES  # until the first answer says it
        self._fetch(0)

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the file's end; without a size, all that is left."""
        left = max(self.size - self._position, 0)
        size = left if size < 0 else min(size, left)
        if size > MAX_RANGE_BYTES - self.fetched + len(self._piece):
            raise self._refused(f"its head is larger than {MAX_RANGE_BYTES:,} bytes")
        parts = []
        while size:
            offset = self._position - self._start
            if not 0 <= offset < len(self._piece):
                self._fetch(self._position)
                offset = 0
            part = self._piece[offset : offset + size]
            parts.append(part)
            self._position += len(part)
            size -= len(part)
        return b"".join(parts)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset from the start (0), from here (1) or from the end (2)."""
        self._position = max(offset + (0, self._position, self.size)[whence], 0)
        return self._position

    def tell(self) -> int:
        """The offset at which the next read begins."""
        return self._position

    def close(self) -> None:
        """Forget the piece that was read last."""
        self._piece = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fetch(self, start: int) -> None:
        if self.fetched + PIECE_BYTES > MAX_RANGE_BYTES:
            raise self._refused(f"its head is larger than {MAX_RANGE_BYTES:,} bytes")
        end = min(start + PIECE_BYTES, self.size)
        with _asking(self._hub_id):
            from huggingface_hub import constants, get_session, hf_raise_for_status
            from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

            headers = build_hf_headers()
            headers |= {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
            with get_session().stream(
                "GET",
                self._url,
                headers=headers,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                follow_redirects=True,
            ) as response:
                hf_raise_for_status(response)
                if response.status_code != 206:
                    raise self._refused("the server ignores HTTP ranges")
                size = self._total(start, end, response.headers.get("Content-Range", ""))
                piece = bytearray()
                for chunk in response.iter_raw():
                    piece += chunk
                    if len(piece) > end - start:
                        break
        self.fetched += len(piece)
        if len(piece) != min(end, size) - start:
            raise self._refused(f"the answer was cut or too long, at byte {start + len(piece):,}")
        self.size, self._start, self._piece = size, start, bytes(piece)

    def _total(self, start: int, end: int, content_range: str) -> int:
        """The file's size, from an answer that is the piece asked for."""
        match = _CONTENT_RANGE.fullmatch(content_range)
        first, last, size = map(int, match.groups()) if match else (-1, -1, -1)
        same = not self.fetched or size == self.size
        if first != start or last != min(end, size) - 1 or not same:
            raise self._refused(f"the server answered another range, {shown(content_range)}")
        return size

    def _refused(self, why: str) -> KvcalcError:
        return KvcalcError(
            f"{shown(self._hub_id.repository)}: {shown(self.name, 120)} cannot be read by pieces, "
            f"{why}; download it and give its path"
        )


def _choose(hub_id: HubId, files: Sequence[str]) -> str:
    """The file that llama.cpp takes: the first of the quantisation, and of a split the first."""
    models = [file for file in files if file.endswith(".gguf") and not _NO_MODEL.search(file)]
    heads = [file for file in models if _is_head(file)]
    wanted = hub_id.quantisation
    for tag in map(re.escape, [wanted] if wanted else DEFAULT_QUANTISATIONS):
        # llama.cpp's own pattern is the second; the first keeps F16 from taking BF16.
        for pattern in (rf"(?<![A-Za-z0-9]){tag}[.-]", rf"{tag}[.-]"):
            for file in heads:
                if re.search(pattern, file, re.IGNORECASE):
                    return file
    if heads and not wanted:
        return heads[0]
    repository = shown(hub_id.repository)
    if not heads:
        raise KvcalcError(f"{repository} holds no .gguf model; name a repository that holds one")
    some = ", ".join(shown(file) for file in heads[:8]) + (", ..." if heads[8:] else "")
    raise KvcalcError(f"{repository} holds no .gguf of {shown(wanted)}; it holds {some}")


def _is_head(file: str) -> bool:
    part = _PART.search(file.removesuffix(".gguf"))
    return part is None or int(part["number"]) == 1


@contextmanager
def _asking(hub_id: HubId) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into a sentence about the repository."""
    try:
        yield
    except KvcalcError:
        raise
    except Exception as error:
        names = (cls.__name__ for cls in type(error).__mro__)
        sentence = next(_SENTENCES[name] for name in names if name in _SENTENCES)
        response = getattr(error, "response", None)
        raise KvcalcError(
            sentence.format(
                repository=shown(hub_id.repository),
                revision=shown(hub_id.revision or "main"),
                status=getattr(response, "status_code", None),
                reason=shown(str(error).partition("\n")[0]),
            )
        ) from None


def _meter(hub_id: HubId, size: int) -> type:
    """A silent progress bar that ends a download which outgrows its announced size."""

    class Meter:
        received = 0

        def __init__(self, *_: object, **__: object) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, received: float | None = 1) -> None:
            self.received += max(int(received or 0), 0)
            if self.received > size:
                raise KvcalcError(
                    f"{shown(hub_id.repository)}: config.json is longer than the {size:,} bytes "
                    "that the Hub announced; try again"
                )

    return Meter
