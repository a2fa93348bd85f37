"""`load`: a preset by its name, a file by its path, and the nearest names for a near miss."""

import shutil
from pathlib import Path

import pytest

import kvcalc
from kvcalc.catalogue.folder import folder
from kvcalc.readers import read
from tests.each import each


@each(
    "name",
    [
        "k-exaone-236b-a23b",
        "K-EXAONE-236B-A23B",
        "LGAI-EXAONE/K-EXAONE-236B-A23B",
        "lgai-exaone/k-exaone-236b-a23b",
    ],
)
def test_a_preset_is_found_without_regard_to_case_and_organisation(name: str) -> None:
    assert kvcalc.load(name).name == "K-EXAONE-236B-A23B"


@pytest.mark.parametrize("as_path", [str, Path], ids=["str", "Path"])
def test_a_preset_file_is_read_by_its_path(tmp_path: Path, as_path: type[str] | type[Path]) -> None:
    copy = shutil.copy(folder("models") / "gpt-oss-20b.toml", tmp_path / "my-model.toml")
    assert kvcalc.load(as_path(copy)) == kvcalc.load("gpt-oss-20b")


@each(
    ("name", "nearest"),
    [
        ("llama-3.1-8c", "llama-3.1-8b"),
        ("k-exaone", "k-exaone-236b-a23b"),
        ("DeepSeekV33", "deepseek-v3"),
        ("gpt-oss21b", "gpt-oss-20b"),
    ],
)
def test_a_near_miss_is_answered_with_the_nearest_names(name: str, nearest: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^model '.*' is unknown; did you mean ") as error:
        kvcalc.load(name)
    assert nearest in str(error.value).partition("did you mean ")[2].split(", ")


@each("name", ["zzzz", "a/b/c", "\x1b[31mzz", "zz\nzz", "zz" * 150])
def test_an_unknown_model_is_answered_with_where_to_look(name: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"`kvcalc models` lists the presets$") as error:
        kvcalc.load(name)
    assert str(error.value).isprintable()


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(
        kvcalc.KvcalcError, match=r" is a folder without a config.json; expected a "
    ):
        kvcalc.load(tmp_path)
    with pytest.raises(kvcalc.KvcalcError, match=r"^'/' is a folder without"):
        kvcalc.load("/")


@each("name", ["../k-exaone-236b-a23b", "/k-exaone-236b-a23b", "./gpt-oss-20b"])
def test_a_path_is_never_taken_for_a_presets_name(name: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^model "):
        kvcalc.load(name)


def test_the_name_of_a_gguf_file_that_is_not_there_is_its_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read("gpt-oss-20b.gguf")
    assert (found.source, len(found.notes)) == ("the preset gpt-oss-20b", 1)
    Path("gpt-oss-20b.gguf").write_bytes(b"no GGUF")
    with pytest.raises(kvcalc.KvcalcError, match=r"gpt-oss-20b\.gguf"):
        read("gpt-oss-20b.gguf")


@each(
    "text",
    [
        *("gpt-oss-20b.gguf", "/models/gpt-oss-20b.gguf", "m/gpt-oss-20b.gguf"),
        *("~/gpt-oss-20b.gguf", "$HOME/gpt-oss-20b.gguf", "C:/models/gpt-oss-20b.gguf"),
    ],
)
def test_a_gguf_file_in_a_folder_of_another_machine_is_its_preset_too(text: str) -> None:
    found = read(text)
    assert found.source == "the preset gpt-oss-20b"
    assert found.notes == (f"'{text}' is not a file here: the preset of that name was used",)


@each("text", ["/models/gpt-oss-20b-Q4_K_M.gguf", "/models/gpt-oss-20b/model.gguf"])
def test_a_gguf_file_of_another_name_is_none(text: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match="is unknown"):
        read(text)


def test_a_gguf_file_in_a_folder_of_windows_is_its_preset() -> None:
    assert read("C:\\models\\gpt-oss-20b.gguf").source == "the preset gpt-oss-20b"
