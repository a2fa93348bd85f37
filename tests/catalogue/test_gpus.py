"""The catalogue of GPUs: facts with sources, names as people and drivers write them."""

from fractions import Fraction

import pytest

from kvcalc.catalogue.folder import folder, read_table
from kvcalc.catalogue.gpus import SAID_BESIDE, Gpu, catalogue, find, names
from kvcalc.errors import KvcalcError
from tests.each import each


def test_every_file_is_in_the_catalogue_and_well_formed() -> None:
    assert [gpu.name for gpu in catalogue()] == list(names())
    assert len(names()) >= 42


@each("gpu", catalogue(), ids=lambda gpu: gpu.name)
def test_a_file_which_is_read_unchecked_is_what_the_checks_make_of_it(gpu: Gpu) -> None:
    checked = Gpu(name=gpu.name, **read_table(folder("gpus") / f"{gpu.name}.toml"))
    assert (gpu, hash(gpu), repr(gpu)) == (checked, hash(checked), repr(checked))


@each("gpu", catalogue(), ids=lambda gpu: gpu.name)
def test_every_source_has_an_address_and_facts_of_that_card(gpu: Gpu) -> None:
    for source in gpu.sources:
        assert source.address.startswith("https://")
        assert all(getattr(gpu, fact) not in (None, ()) for fact in source.facts)


@pytest.mark.parametrize("fact", ["memory_mib", "compute_capability", "visible"])
def test_a_fact_without_a_source_is_refused(fact: str) -> None:
    card = find("h100").model_dump()
    card["sources"] = [
        {**source, "facts": [name for name in source["facts"] if name != fact]}
        for source in card["sources"]
    ]
    with pytest.raises(KvcalcError, match=f"^{fact}: has no source in "):
        Gpu(**card)


@each(
    ("asked", "name"),
    [
        ("h100", "h100"),
        ("H200", "h200"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("A100_80GB", "a100-80gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("4090", "rtx-4090"),
        ("AMD Instinct MI300X", "mi300x"),
        ("Tesla T4", "t4"),
    ],
)
def test_a_card_is_found_as_people_and_drivers_write_it(asked: str, name: str) -> None:
    assert find(asked).name == name


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("a100", "GPU 'a100' is unknown; did you mean a100-40gb, a100-80gb;"),
        ("h300", "GPU 'h300' is unknown; did you mean h800, h200, h100;"),
        ("zzzz", "GPU 'zzzz' is unknown; `kvcalc gpus` lists those known;"),
        ("", "GPU '' is unknown; `kvcalc gpus` lists those known;"),
    ],
)
def test_an_unknown_card_is_refused_with_its_neighbours(asked: str, sentence: str) -> None:
    with pytest.raises(KvcalcError) as refused:
        find(asked)
    assert str(refused.value).startswith(sentence)


def test_no_name_or_alias_means_two_cards() -> None:
    spelled = [name for gpu in catalogue() for name in (gpu.name, *gpu.aliases)]
    assert len({find(name).name + name for name in spelled}) == len(set(spelled)) == len(spelled)


def test_the_memory_is_the_drivers_and_what_frameworks_saw_mostly_and_at_least() -> None:
    h100, rtx_5090, h20 = find("h100"), find("rtx-5090"), find("h20")
    assert h100.memory_bytes == 81_559 * 2**20
    assert h100.framework_visible == 7_919 * 2**30 // 100
    assert h100.least_bytes == 7_910 * 2**30 // 100
    assert rtx_5090.framework_visible == rtx_5090.least_bytes == 3_136 * 2**30 // 100
    assert h20.framework_visible is None
    assert h20.memory_bytes is not None
    assert h20.least_bytes == h20.memory_bytes * 979 // 1000


@each(
    ("name", "gib"),
    [
        *(("h100", "79.19"), ("h200", "139.80"), ("a100-80gb", "79.25"), ("l40s", "44.39")),
        *(("l4", "22.03"), ("rtx-4090", "23.53"), ("rtx-5090", "31.36")),
        *(("rtx-pro-6000", "94.97"), ("b200", "178.35")),
    ],
)
def test_the_total_that_start_ups_print(name: str, gib: str) -> None:
    """As vLLM's and PyTorch's own lines have it, to .02 GiB."""
    assert find(name).usable_bytes == int(Fraction(gib) * 2**30)


def test_a_framework_sees_at_most_what_the_driver_reports_and_little_less() -> None:
    for gpu in catalogue():
        for visible in gpu.visible if gpu.memory_bytes else ():
            assert gpu.memory_bytes
            assert 979 * gpu.memory_bytes <= 1000 * visible.bytes <= 1000 * gpu.memory_bytes


def test_cards_with_one_source_are_marked() -> None:
    assert {gpu.name for gpu in catalogue() if gpu.single_source} == {
        *("h800", "l20x", "h20-3e", "h100-pcie", "a40-ecc-off", "rtx-a6000-ecc", "gb300"),
        *("rtx-6000-ada", "rtx-3060", "rtx-4070", "rtx-4080-super", "rtx-5070", "rtx-5070-ti"),
        *("rtx-5080", "rx-7900-xtx", "mi355x", "rtx-4080", "mi325x", "gb10"),
        *(f"mac-{size}gb" for size in (18, 24, 32, 36, 48, 64, 96, 192, 256, 512)),
    }


@each(
    ("asked", "name", "gib"),
    [
        ("NVIDIA GB10", "gb10", "121.69"),
        ("DGX Spark", "gb10", "121.69"),
        ("m4-max-64gb", "mac-64gb", "48"),
        ("M1 Max 32GB", "mac-32gb", "21.33"),
        ("m5-max-128gb", "mac-128gb", "96"),
        ("m3-ultra-512gb", "mac-512gb", "384"),
    ],
)
def test_of_memory_that_is_shared_only_what_a_framework_sees_is_known(
    asked: str, name: str, gib: str
) -> None:
    gpu = find(asked)
    assert (gpu.name, gpu.memory_mib, gpu.memory_bytes) == (name, None, None)
    assert gpu.usable_bytes == gpu.reported_bytes == int(Fraction(gib) * 2**30)


def test_a_card_without_any_memory_is_refused() -> None:
    with pytest.raises(KvcalcError, match="memory_mib: missing, and no framework's figure"):
        Gpu(name="x", product="X")


@each(
    ("asked", "name"),
    [
        ("H100-80GB-SXM", "h100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("H100 80GB PCIe", "h100-pcie"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("H200-SXM-141GB", "h200"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("RTX 4090 24GB", "rtx-4090"),
        ("AMD Instinct MI300X OAM", "mi300x"),
        ("Tesla V100-SXM2-32GB", "v100-32gb"),
        ("Apple M4 Max 64GB", "mac-64gb"),
        ("MacBook Pro M3 Max 128GB", "mac-128gb"),
    ],
)
def test_a_card_is_found_as_drivers_and_shops_write_it(asked: str, name: str) -> None:
    assert find(asked).name == name


@each(
    "asked",
    [
        "A100",
        "a100 sxm",
        "H100 40GB",
        "NVIDIA A800-SXM4-80GB",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "80GB",
        "SXM",
    ],
)
def test_another_card_is_not_taken_for_one_that_is_known(asked: str) -> None:
    with pytest.raises(KvcalcError, match=r"^GPU .* is unknown"):
        find(asked)


@each("word", sorted(SAID_BESIDE))
def test_what_stands_beside_a_name_is_left_out(word: str) -> None:
    assert find(f"H100 {word} 80GB").name == "h100"
