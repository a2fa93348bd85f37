"""Ids and addresses of repositories on the Hugging Face Hub, told apart from other names."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REF = (
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"  # no segment begins with a dot, so none can leave a folder
)
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

PART = re.compile(r"-(?P<number>\d{5})-of-\d{5}$")
"""The end of the name of one part of a split file, before its suffix."""


class HubId(NamedTuple):
    """A repository of the Hub, at its main branch if `revision` is None."""

    repository: str
    revision: str | None = None
    quantisation: str | None = None


def parse(text: str) -> HubId | None:
    """The Hub id that a text names, or None.

    Accepted are `org/name`, `org/name@revision`, `org/name:Q4_K_M` and addresses on hf.co and
    huggingface.co; the address of a .gguf file names that file.
    """
    match = _ID.fullmatch(text)
    if match is None:
        return None
    repository, revision, quantisation = match.group("repository", "revision", "quantisation")
    if "--" in repository or ".." in repository or repository.split("/")[0] in _NOT_MODELS:
        return None
    if not match["site"] and repository.endswith(_FILES):  # the path of a file that does not exist
        return None
    if match["page"]:
        page = _PAGE.fullmatch(unquote(match["page"]))
        if page is None:
            return None
        revision, file = page.group("revision", "file")
        if file and file.endswith(".gguf") and quantisation is None:
            quantisation = PART.sub("", Path(file).stem)
    return HubId(repository, revision, quantisation)
