"""Releases as data: which row a version takes, and what a release refuses."""

import warnings
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines import ENGINES, find
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.releases import Change, Release, Releases, ReleaseWarning, numbers, parsed
from kvcalc.engines.request import release_of
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError, RequestError, UnsupportedError
from tests.conftest import Cli
from tests.each import each
from tests.engines.release_rows import changes

K_EXAONE = kvcalc.load("k-exaone-236b-a23b")
LLAMA = kvcalc.load("llama-3.1-8b")

RELEASED = {
    name: settings
    for name in ENGINES
    if issubclass(settings := find(name).settings, ReleasedSettings)
}
"""The settings of the engines with several releases."""


def rule(value: int) -> dict[str, Change]:
    return {"rule": Change(value, f"the rule is {value}", "file.py")}


TABLE = Releases(
    "engine",
    newest="2.5",
    rows=(
        Release("1.0", rules=rule(1), defaults={"on": Change(False, "off", "file.py")}),
        Release("1.2", settings={"later": (0, None)}, models=("new",)),
        Release("2.0.1", rules=rule(2), values={"form": ("int4",)}, without={"form": ("old",)}),
    ),
)


@each(
    ("typed", "version"),
    [
        ("0.25.1", "0.25.1"),
        ("v0.25.1", "0.25.1"),
        (" 0.25.1 ", "0.25.1"),
        ("0.25.1.post1", "0.25.1"),
        ("0.25.1+cu129", "0.25.1"),
        ("0.26.0rc1", "0.26.0"),
        ("0.26.0.dev5+g0c1e570.d20260101", "0.26.0"),
        ("0.26", "0.26"),
        ("b9234", "b9234"),
        ("9234", "9234"),
    ],
)
def test_of_a_version_as_people_type_it_the_numbers_count(typed: str, version: str) -> None:
    assert parsed(typed) == (numbers(version), version)
    assert numbers("0.26") == numbers("0.26.0") < numbers("0.26.1") < numbers("0.100")


@each("typed", ["", "x", "0.25.x", "1..2", "0.25.1 0.26", "9" * 50, 0.25, "-1"])
def test_what_is_not_a_version_is_refused(typed: object) -> None:
    with pytest.raises(RequestError, match=r"^release: found .*, expected a version"):
        parsed(typed)


@each(
    ("version", "value"),
    [("1.0", 1), ("1.1.9", 1), ("1.2", 1), ("2.0", 1), ("2.0.1", 2), ("2.4", 2), ("2.5", 2)],
)
def test_a_version_takes_what_stands_before_it(version: str, value: int) -> None:
    standing = TABLE.at(version, strict=True)
    assert (standing.rules["rule"].value, standing.version) == (value, version)
    assert standing.default("on") is False
    assert TABLE.at(None).version == TABLE.newest


@given(st.tuples(*[st.integers(0, 9)] * 3))
def test_every_version_is_the_last_row_before_it(version: tuple[int, int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReleaseWarning)
        found = TABLE.at(".".join(map(str, version))).rules["rule"].value
    assert found == (2 if version >= (2, 0, 1) else 1)


@each(("version", "nearest"), [("0.9", "1.0"), ("2.5.1", "2.5"), ("3", "2.5")])
def test_a_version_that_was_not_measured_is_the_nearest_and_says_so(
    version: str, nearest: str
) -> None:
    with pytest.warns(ReleaseWarning, match=f"^engine {version} was not .*answered as {nearest}$"):
        assert TABLE.at(version).version == nearest
    with pytest.raises(RequestError, match=f"^release: found '{version}', expected one of the"):
        TABLE.at(version, strict=True)


def test_a_setting_that_came_later_is_neutral_before() -> None:
    before = TABLE.at("1.1")
    assert before.default("later") == 0
    before.require_settings({"later": 0, "on": True})
    TABLE.at("1.2").require_settings({"later": 1})
    with pytest.raises(
        UnsupportedError, match=r"^later: found 1, which engine 1\.1 does not have$"
    ):
        before.require_settings({"later": 1})


def test_values_come_and_go() -> None:
    TABLE.at("2.0").require_settings({"form": "old"})
    TABLE.at("2.0.1").require_settings({"form": "int4"})
    for version, value in (("2.0", "int4"), ("2.0.1", "old")):
        with pytest.raises(UnsupportedError, match=f"^form: found '{value}', which engine"):
            TABLE.at(version).require_settings({"form": value})


def test_a_model_that_came_later_is_refused_by_name_before() -> None:
    TABLE.at("1.2").require_model("new")
    TABLE.at("1.1").require_model("old")
    with pytest.raises(UnsupportedError, match=r"^engine 1\.1 does not have the model type 'new'$"):
        TABLE.at("1.1").require_model("new")


@each(("version", "name", "change", "before"), [*changes(RELEASES)])
def test_a_row_of_vllms_has_what_changed_alone_and_where(
    version: str, name: str, change: Change, before: Change | None
) -> None:
    assert before is None or change.value != before.value
    assert change.says
    assert ".py" in change.source or "v1" in change.source


@each("name", RELEASED)
def test_rows_stand_in_order_and_the_first_has_every_rule_and_default(name: str) -> None:
    releases = RELEASED[name].RELEASES
    first, *later = releases.rows
    versions = [numbers(row.version) for row in releases.rows]
    assert versions == sorted(set(versions))
    assert numbers(releases.newest) >= versions[-1]
    assert first.rules.keys() >= set().union(*(row.rules for row in later))
    assert first.defaults.keys() >= set().union(*(row.defaults for row in later))


def test_a_release_is_asked_for_behind_the_engine_or_as_a_setting() -> None:
    costs = [
        kvcalc.cost(K_EXAONE, "vllm@0.25.1"),
        kvcalc.cost(K_EXAONE, "vllm", release="0.25.1"),
        kvcalc.cost(K_EXAONE, "vllm@0.25.1", release="0.25.1"),
        kvcalc.cost(K_EXAONE, "vllm", settings=kvcalc.VllmSettings(release="v0.25.1")),
    ]
    assert {(cost(131_072), cost.engine, cost.engine_version) for cost in costs} == {
        (7_671_644_160, "vllm", "0.25.1")
    }
    assert all(not cost.settings for cost in costs)
    assert kvcalc.cost(K_EXAONE, "vllm").engine_version == "0.33.0"
    assert kvcalc.cost(K_EXAONE).engine_version == "-"


@each(
    ("engine", "settings", "sentence"),
    [
        ("vllm@0.25.1", {"release": "0.26.0"}, "release: found '0.26.0', expected 0.25.1, as"),
        ("mlx@0.31.0", {}, "release: found '0.31.0', expected 0.32.2, the one that was read"),
        ("ideal@1", {}, "release: found '1', expected none, for ideal has no releases"),
        ("ideal", {"release": "1"}, "ideal has no setting 'release'"),
        ("vllm@0.12.0", {"kv_cache_dtype": "nvfp4"}, "kv_cache_dtype: found 'nvfp4', which vllm"),
        ("vllm@0.27.1", {"prefill_checkpoint_blocks": 1}, "prefill_checkpoint_blocks: found 1,"),
        ("vllm@0.99", {"strict_version": True}, "release: found '0.99', expected one of the"),
        ("vllm@", {}, "release: found '', expected a version"),
    ],
)
def test_what_a_release_does_not_have_is_one_sentence(
    engine: str, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(KvcalcError) as caught:
        kvcalc.cost(LLAMA, engine, **settings)  # type: ignore[arg-type]
    assert str(caught.value).startswith(sentence)


def test_neutral_values_are_let_through() -> None:
    cost = kvcalc.cost(LLAMA, "vllm@0.11.2", prefill_checkpoint_blocks=0, kv_cache_layout="NHD")
    assert cost(8_192) == kvcalc.cost(LLAMA, "vllm")(8_192)


def test_the_command_line_says_the_release_and_warns(cli: Cli) -> None:
    outcome = cli("estimate", "llama-3.1-8b", "-e", "vllm@0.40.0", "-c", "8K", "--json")
    assert (outcome.code, '"engine_version": "0.33.0"' in outcome.out) == (0, True)
    assert outcome.err == (
        "kvcalc: warning: vllm 0.40.0 was not measured, only 0.11.2 to 0.33.0: answered as 0.33.0\n"
    )
    refused = cli("estimate", "llama-3.1-8b", "-e", "vllm@0.40.0", "-c", "8K", "--strict-version")
    assert (refused.code, refused.err.startswith("kvcalc: release: found '0.40.0'")) == (2, True)


def test_several_releases_are_compared(cli: Cli) -> None:
    outcome = cli("compare", "gpt-oss-120b", "-e", "vllm@0.25.1,vllm", "-c", "128K", "-f", "csv")
    rows = [line.split(",") for line in outcome.out.splitlines()]
    place = rows[0].index("engine_version")
    assert [row[place] for row in rows[1:]] == ["0.25.1", "0.33.0"]


@each(
    ("engine", "given", "release"),
    [
        ("vllm", {}, "0.33.0"),
        ("vllm@0.25.1", {}, "0.25.1"),
        ("vllm", {"release": "0.20.0"}, "0.20.0"),
        ("vllm@0.25.1", {"block_size": 7}, "0.25.1"),
        ("mlx", {}, "0.32.2"),
    ],
)
def test_a_release_is_named_whether_or_not_its_engine_answers(
    engine: str, given: dict[str, Any], release: str
) -> None:
    assert release_of(engine, given) == (engine.partition("@")[0], release)


LATER = [
    (name, before.version, setting, values)
    for name, settings in RELEASED.items()
    for before, row in pairwise(settings.RELEASES.rows)
    for setting, values in row.settings.items()
]
"""Settings that came with a release: the one before, and the values that say what was then."""


ALWAYS = {"kv_unified", "swa_full"}
"""What could not be switched off then; all others were off, or as they are today by themselves."""


@each(("engine", "before", "setting", "values"), LATER)
def test_before_its_release_a_setting_may_be_given_as_what_was_then(
    engine: str, before: str, setting: str, values: tuple[Any, ...]
) -> None:
    settings = find(engine).settings
    for value in values:
        given: dict[str, Any] = {setting: value, "release": before}
        assert settings(**given).model_dump()["release"] == before
    first, default = values[0], settings.model_fields[setting].default
    assert first in ((True,) if setting in ALWAYS else (default, None, 0, ()))
    unset = kvcalc.cost(LLAMA, f"{engine}@{before}")
    assert kvcalc.cost(LLAMA, f"{engine}@{before}", **{setting: first})(8192) == unset(8192)


@each(
    ("version", "parts"),
    [("0", (0,)), ("0.0", (0,)), ("26.0", (26,)), ("0.26.0", (0, 26)), ("b9230", (9230,))],
)
def test_zeros_at_the_end_of_a_version_say_nothing(version: str, parts: tuple[int, ...]) -> None:
    assert numbers(version) == parts


@each(
    ("holding", "said"),
    [
        ({"1.0", "1.2", "2.0.1"}, "engine"),
        ({"1.0"}, "engine before 1.2"),
        ({"1.2"}, "engine from 1.2 on and before 2.0.1"),
        ({"1.0", "1.2"}, "engine before 2.0.1"),
        ({"2.0.1"}, "engine from 2.0.1 on"),
        ({"1.0", "2.0.1"}, "engine from 2.0.1 on"),
        (set(), None),
    ],
)
def test_the_newest_releases_in_a_row_are_named(holding: set[str], said: str | None) -> None:
    assert TABLE.that(holding.__contains__) == said


def test_what_is_kept_of_settings_is_not_that_of_another_standing() -> None:
    settings = VllmSettings(release="0.25.1")
    under = settings.under(VllmSettings().standing)
    assert settings == VllmSettings(release="0.25.1") != under
    costs = [find("vllm").cost(K_EXAONE, one)(131_072) for one in (settings, under, settings)]
    assert costs == [7_671_644_160, 8_879_603_712, 7_671_644_160]


@each(
    ("release", "block"),
    [("0.19.0", 16), ("0.20.0", 16), ("0.24.0", 16), ("0.25.0", 32), ("0.33.0", 32)],
)
def test_a_layer_kept_in_the_models_type_lengthens_the_blocks_of_fp8_from_0_25_on(
    release: str, block: int
) -> None:
    """A page of fp8 then holds a kernel's block of bfloat16 (platforms/interface.py)."""
    kept = {"kv_cache_dtype": "fp8", "kv_cache_dtype_skip_layers": (0,)}
    one = kvcalc.cost(LLAMA, f"vllm@{release}", **kept)  # type: ignore[arg-type]
    fp8, bf16 = 2_048, 4_096
    assert one(100) == -(-100 // block) * block * (31 * fp8 + bf16)
