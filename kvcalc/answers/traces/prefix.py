"""Prefixes that requests share: a block of a prompt is held once while any request uses it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvcalc import engines
from kvcalc.answers.replay import replay
from kvcalc.answers.traces.rules import Rule
from kvcalc.errors import KvcalcError, RequestError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class EngineHits:
    """The tokens that a cache that is never full hits on an engine, at a window."""

    engine: str
    window: int
    hit_tokens: int | None


@dataclass(frozen=True)
class Hits:
    """Tokens of prompts, and how many of them are in blocks that an earlier request had.

    `windowed` are the hits of engines beside whose windows blocks are not all kept; None where the
    engine's prefix cache was not replayed.
    """

    prompt_tokens: int
    hit_tokens: int
    windowed: tuple[EngineHits, ...] = ()


def hits_beside_windows(
    chosen: Iterable[Rule], files: Iterable[str | Path], settings: Mapping[str, Any]
) -> tuple[EngineHits, ...]:
    """What each engine hits whose prefix cache is known, of the models with windows."""
    models = {
        (rule.cost.engine, rule.cost.engine_version, rule.cost.model.window): rule.cost.model
        for rule in chosen
        if rule.cost.model.window is not None and engines.find(rule.cost.engine).replay
    }
    found = []
    for (engine, version, window), model in models.items():
        try:
            given = {"release": version, **settings}
            hit = replay(model, files, engine=engine, **given).rows[0].hit_tokens
        except KvcalcError:
            hit = None
        found.append(EngineHits(engine, window or 0, hit))
    return tuple(found)


def share(base: "DuckDBPyConnection", block_tokens: int) -> Hits:
    """Make the table shared_blocks(t, tokens): tokens that are held once instead of several times.

    The lives of requests that use a block are merged into islands; the block is held once in each.

    Raises:
        RequestError: the trace names no blocks.
    """
    blocks = base.execute("SELECT count(blocks) FROM requests").fetchall()[0][0]
    if not block_tokens or not blocks:
        raise RequestError.about("prefix", "the trace has no ids of blocks (hash_ids)")
    base.execute(
        # A number that was read as 7.0 is the id 7.
        "CREATE TABLE uses AS SELECT t0, t1, regexp_replace(block, '^(-?[0-9]+)[.]0+$', '\\1') "
        "AS block, place, input FROM (SELECT t0, t1, unnest(blocks) AS block, "
        "unnest(range(len(blocks))) AS place, input FROM requests)"
    )
    base.execute(
        "CREATE TABLE held AS SELECT t0, t1, block, "
        f"greatest(0, least({block_tokens}, input - place * {block_tokens})) AS tokens FROM uses"
    )
    base.execute(
        "CREATE TABLE islands AS WITH marked AS (SELECT *, CASE WHEN t0 <= max(t1) OVER "
        "(PARTITION BY block ORDER BY t0, t1 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) "
        "THEN 0 ELSE 1 END AS begins FROM held WHERE t1 > t0), numbered AS (SELECT *, "
        "sum(begins) OVER (PARTITION BY block ORDER BY t0, t1 ROWS UNBOUNDED PRECEDING) AS island "
        "FROM marked) SELECT block, island, min(t0) AS t0, max(t1) AS t1, max(tokens) AS tokens "
        "FROM numbered GROUP BY block, island"
    )
    base.execute(
        "CREATE TABLE shared_blocks AS SELECT t, sum(tokens)::BIGINT AS tokens FROM ("
        "SELECT t0 AS t, -tokens AS tokens FROM held WHERE t1 > t0 "
        "UNION ALL SELECT t1, tokens FROM held WHERE t1 > t0 "
        "UNION ALL SELECT t0, tokens FROM islands UNION ALL SELECT t1, -tokens FROM islands) "
        "GROUP BY t"
    )
    hits = base.execute(
        "SELECT (SELECT sum(input) FROM requests), sum(tokens) FILTER (nth > 1) FROM "
        "(SELECT tokens, row_number() OVER (PARTITION BY block ORDER BY t0) AS nth FROM held)"
    ).fetchall()[0]
    return Hits(int(hits[0] or 0), int(hits[1] or 0))
