"""The card that a fit is asked about."""

from kvcalc.answers.fit.card import DRIVER_IS_HIGH, card
from kvcalc.catalogue.gpus import catalogue
from kvcalc.engines.memory import Card

GB = 10**9


def test_the_start_is_what_a_framework_sees_else_the_drivers_figure_marked_as_high() -> None:
    assert card("h100").memory == 7919 * 2**30 // 100
    assert card("h100").least_memory == 7910 * 2**30 // 100
    assert card("h100").notes == ()
    assert card("h20").memory == 97_871 * 2**20
    assert card("h20").notes == (DRIVER_IS_HIGH,)
    assert "only one source" in " ".join(card("rtx-5070-ti").notes)
    assert card(None, 141 * GB, "141GB") == Card("141GB", 141 * GB, 141 * GB)


def test_no_framework_saw_less_than_the_mark_says() -> None:
    seen = [(gpu.framework_visible, gpu.memory_bytes) for gpu in catalogue() if gpu.memory_bytes]
    assert all(not (sees and whole) or whole * 979 <= sees * 1000 for sees, whole in seen)
