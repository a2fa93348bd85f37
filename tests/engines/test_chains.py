"""Prompts share the blocks of the tokens that they begin with alike, and no others."""

from hypothesis import example, given
from hypothesis import strategies as st

from kvcalc.engines.chains import Chains, Path, Run, between, coarser, merged

requests = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=5), min_size=1, max_size=6
)


def tokens_of(runs: list[Run]) -> list[int]:
    return [first + place for first, count in runs for place in range(count)]


def blocks_of(chains: Chains, path: Path) -> list[int]:
    return [
        chains.bases[chain] - chains.starts[chain] + depth
        for chain, start, end in path
        for depth in range(start, end)
    ]


FORKS = [[(0, 1), (5, 1), (7, 1)], [(0, 1), (5, 1), (9, 1)], [(0, 1), (9, 1)]]
"""Two forks of one prompt, after which the same token follows."""


@example(FORKS, 1)
@given(requests, st.integers(1, 3))
def test_blocks_are_the_same_where_all_tokens_up_to_their_ends_are(
    asked: list[list[Run]], unit: int
) -> None:
    chains = Chains(unit)
    numbers: dict[int, tuple[int, ...]] = {}
    for runs in asked:
        tokens = tokens_of(runs)
        blocks = blocks_of(chains, chains.path(runs))
        assert len(blocks) == len(tokens) // unit
        for depth, number in enumerate(blocks, 1):
            assert numbers.setdefault(number, tuple(tokens[: depth * unit])) == tuple(
                tokens[: depth * unit]
            )
    assert len(set(numbers.values())) == len(numbers)


@given(requests)
def test_runs_that_go_on_are_one(asked: list[list[Run]]) -> None:
    for runs in asked:
        joined = merged(runs)
        assert tokens_of(joined) == tokens_of(runs)
        ends = [first + count for first, count in joined[:-1]]
        assert all(count for _, count in joined)
        assert not any(end == first for end, (first, _) in zip(ends, joined[1:], strict=True))


def test_a_path_is_cut_and_told_in_longer_blocks() -> None:
    path = ((0, 0, 5), (2, 5, 8))
    assert between(path, 2, 6) == ((0, 2, 5), (2, 5, 6))
    assert between(path, 5, 5) == ()
    assert coarser(path, 2) == ((0, 0, 2), (2, 2, 4))
    assert coarser(path, 6) == ((2, 0, 1),)
