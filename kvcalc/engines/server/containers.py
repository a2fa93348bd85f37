"""Containers: `docker run` and its kin, what their images start and which release they name.

Options are those of docker's and podman's `run` (docs.docker.com/reference/cli/docker;
docs.podman.io): what takes no value is listed, all others take one.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from kvcalc.engines.server.launch import VARIABLE, Launch
from kvcalc.errors import quote

CONTAINERS = {"docker", "podman", "nerdctl"}
NO_VALUE = frozenset(
    {
        *("--detach", "--disable-content-trust", "--env-host", "--help", "--http-proxy", "--init"),
        *("--interactive", "--no-healthcheck", "--no-hosts", "--oom-kill-disable", "--privileged"),
        *("--publish-all", "--quiet", "--read-only", "--replace", "--rm", "--sig-proxy"),
        *("--tls-verify", "--tty", "--use-api-socket"),
    }
)
"""Long options of `docker run` and `podman run` without a value."""

LETTERS = frozenset("ditPq")
"""Short ones without a value, which may stand together: -itd."""

ENVIRONMENT = ("-e", "--env")

IMAGES: Mapping[str, tuple[str, ...]] = {
    r"(?:^|/)[^/:]*vllm-omni[^/:]*:.*": (),
    r"(?:^|/)[^/:]*vllm[^/:]*:.*": ("vllm", "serve"),
    r"(?:^|/)llama\.cpp:server.*|(?:^|/)llama-server:.*": ("llama-server",),
    r"(?:^|/)llama\.cpp:light.*": ("llama-cli",),
    r"(?:^|/)llama\.cpp:full.*": ("llama-server",),
    r"(?:^|/)ollama:.*": ("ollama",),
}
"""Images by their names and tags: what each starts, nothing where a program has to be named."""

DEFAULT_WORD = {"ollama": "serve"}
"""The word that an image's program gets where none stand behind the image (Dockerfile, CMD)."""

TAGS = {
    re.compile(r"(?:^|/)(?:vllm/vllm-|rocm/vllm|lmsysorg/sglang|openmmlab/lmdeploy)"): re.compile(
        r"(?:.*vllm[_-])?v?([0-9]+\.[0-9]+(?:\.[0-9]+)*)(?:$|[-+.][a-z].*|rc[0-9]+.*)"
    ),
    re.compile(r"(?:^|/)(?:ggml-org|ggerganov)/llama\.cpp$"): re.compile(r"(?:.*-)?(b[0-9]+)"),
}
"""Images whose tags are the engine's releases, and where a tag has it: in front or behind the
engine's name, or last. Others number themselves."""

NEWEST = ("latest", "nightly", "server", "light", "full")
"""Beginnings of tags that stand for the newest release."""

ELSEWHERE = {"cpu": "CPUs", "tpu": "TPUs", "xpu": "Intel's GPUs", "npu": "NPUs"}
"""Endings of images' names that tell the hardware, not the engine."""


def contained(launch: Launch, leads: Callable[[list[str]], bool]) -> None:
    """Read docker run: variables, the entry point, the image, and the words behind it.

    `leads` says whether words name a program. What starts no engine is left with the image's name
    before it.
    """
    place = next(
        (at for at, word in enumerate(launch.words) if word in ("run", "exec", "create")), 0
    )
    inside = launch.words[place] == "exec"
    entry: list[str] | None = None
    options = Options(launch.words[place + 1 :])
    for option, value in options:
        if option in ENVIRONMENT and (match := VARIABLE.fullmatch(value)):
            launch.variables[match[1]] = match[2]
        elif option == "--env-file":
            launch.notes.append(f"--env-file: what stands in {quote(value)} is not read")
        elif option == "--entrypoint":
            entry = value.split()
    image, words = options.rest[:1], options.rest[1:]
    launch.words = [*(entry or ()), *words]
    if inside or not image:
        return
    starts = _image(image[0], launch)
    if entry is not None or leads(words):
        return
    if not starts and not (words and words[0].startswith("-")):
        launch.words = [image[0], *words]
        return
    behind = words[1:] if words[:1] == ["--server"] else words
    launch.words = [*starts, *(behind or DEFAULT_WORD.get(" ".join(starts), "").split())]


def _image(image: str, launch: Launch) -> tuple[str, ...]:
    """Tell what an image starts, and take down what its name says of release and hardware."""
    name, _, tag = image.partition("@")[0].rpartition(":")
    if not name or "/" in tag:
        name, tag = image.partition("@")[0], ""
    end = name.rpartition("-")[2]
    if end in ELSEWHERE:
        launch.notes.append(
            f"the image {quote(image)} runs on {ELSEWHERE[end]}: the figures are those of NVIDIA's "
            "and AMD's GPUs"
        )
    written = next((tags for images, tags in TAGS.items() if images.search(name)), None)
    if written:
        match = written.fullmatch(tag)
        if match:
            launch.release = match[1]
        elif tag and not tag.startswith(NEWEST):
            launch.notes.append(f"the image's tag {quote(tag)} names no release")
    whole = f"{name}:{tag}"
    return next((words for pattern, words in IMAGES.items() if re.search(pattern, whole)), ())


class Options:
    """Options of `docker run` with their values, up to the image; `rest` is what follows."""

    def __init__(self, words: list[str]) -> None:
        self.rest = list(words)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while self.rest and self.rest[0].startswith("-") and self.rest[0] != "-":
            word = self.rest.pop(0)
            option, equals, value = word.partition("=")
            if not word.startswith("--"):  # of letters that stand together, the last has a value
                valued = word[1:].lstrip("".join(LETTERS))
                option, value = f"-{valued[:1]}", valued[1:].removeprefix("=")
                equals = value
            if equals:
                yield option, value
            elif option not in NO_VALUE and option != "-":
                yield option, self.rest.pop(0) if self.rest else ""
