"""Ids and addresses of repositories on the Hub, however they are spelled."""

from kvcalc.readers.hub import HubId, parse
from tests.each import each
from tests.readers.hub.hub_server import ID


@each(
    ("text", "expected"),
    [
        ("org/name", ID),
        ("org/name/", ID),
        ("LGAI-EXAONE/K-EXAONE-236B-A23B", HubId("LGAI-EXAONE/K-EXAONE-236B-A23B")),
        ("org/name@v1.0", HubId("org/name", "v1.0")),
        ("org/name@refs/pr/3", HubId("org/name", "refs/pr/3")),
        ("org/name:Q4_K_M", HubId("org/name", None, "Q4_K_M")),
        ("org/name@v1:q8_0", HubId("org/name", "v1", "q8_0")),
        ("hf.co/org/name", ID),
        ("hf.co/org/name:Q4_K_M", HubId("org/name", None, "Q4_K_M")),
        ("https://hf.co/org/name", ID),
        ("https://hf.co/org/name/tree/v1", HubId("org/name", "v1")),
        ("https://huggingface.co/org/name?library=vllm#use", ID),
        ("https://huggingface.co/org/name/tree/main/sub/folder", HubId("org/name", "main")),
        ("https://huggingface.co/org/name/tree/refs%2Fpr%2F1", HubId("org/name", "refs/pr/1")),
        ("https://huggingface.co/org/name/blob/refs/pr/1/a", HubId("org/name", "refs/pr/1")),
        ("https://huggingface.co/org/name/blob/main/config.json", HubId("org/name", "main")),
        (
            "https://huggingface.co/org/name/resolve/main/Q8_0/m-Q8_0-00002-of-00003.gguf?x=1",
            HubId("org/name", "main", "m-Q8_0"),
        ),
    ],
)
def test_an_id_is_read_however_it_is_spelled(text: str, expected: HubId) -> None:
    assert parse(text) == expected


@each(
    "text",
    [
        "",
        "gpt2",
        "a/b/c",
        "./a/b",
        "../name",
        "/org/name",
        "org/na me",
        "org/name\n",
        "org/na--me",
        "org/na..me",
        "org/name@",
        "org/name@../x",
        "org/name@a/../x",
        "org/name:",
        "org/name?x",
        "org/name/tree/main",
        "folder/config.json",
        "folder/model.gguf",
        *(f"folder/model{form}" for form in (".toml", ".yaml", ".yml")),
        *(
            f"{page}/name"
            for page in ("api", "blog", "collections", "datasets", "docs", "papers", "spaces")
        ),
        "https://example.com/org/name",
        "https://huggingface.co/datasets/org/name",
        "https://huggingface.co/docs/hub",
        "https://huggingface.co/org/name/discussions/3",
        "https://huggingface.co/org/name/tree/..%2Fx",
        "ör/name",
        "a" * 200 + "/b",
        "o/" + "n" * 10**6,
    ],
)
def test_what_is_no_id_is_left_to_others(text: str) -> None:
    assert parse(text) is None
