"""Requests through vLLM's own KVCacheManager on the CPU: what hits, which blocks go, what is free.

No model runs: the answers are the trace's. Blocks are known by their numbers in place of hashes.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from math import gcd, lcm
from typing import Any

from tests.oracles.measure.environment import load

manager = load("vllm.v1.core.kv_cache_manager")
interface = load("vllm.v1.kv_cache_interface")
utilities = load("vllm.v1.core.kv_cache_utils")
requests = load("vllm.v1.request")
parameters = load("vllm.sampling_params")
torch = load("torch")

LONGEST = 10**6
"""max_model_len: no case is near it."""


class NoRoomError(Exception):
    """A request that the engine would try forever."""

    def __init__(self, place: int) -> None:
        self.place = place


def measured(table: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    """A case of vllm_replay_odd.json; what finds no room is left out from the start."""
    groups, trace = table["groups"][case["groups"]], table["traces"][case["trace"]]
    refused: list[int] = []
    while True:
        try:
            return Replayed(groups, case, trace).figures(refused)
        except NoRoomError as found:
            refused.append(found.place)


def digest(parts: Iterable[object]) -> str:
    return hashlib.sha256(",".join(map(str, parts)).encode()).hexdigest()[:16]


def specification(group: Mapping[str, Any]) -> Any:
    sizes = {"block_size": group["block_size"], "num_kv_heads": 1, "head_size": 8}
    if group["window"] is None:
        return interface.FullAttentionSpec(**sizes, dtype=torch.float16)
    return interface.SlidingWindowSpec(**sizes, dtype=torch.float16, sliding_window=group["window"])


class Replayed:
    """A pool, and the requests of a trace put through it."""

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        case: Mapping[str, Any],
        trace: Sequence[Mapping[str, Any]],
    ) -> None:
        self.trace, self.timed = trace, case["timed"]
        self.chunk, self.asynchronous = case["chunk"], case["async_scheduling"]
        blocks = [group["block_size"] for group in groups]
        self.unit = gcd(*blocks)
        config = interface.KVCacheConfig(
            num_blocks=case["num_blocks"],
            kv_cache_tensors=[],
            kv_cache_groups=[
                interface.KVCacheGroupSpec(
                    [f"layer {place}"], specification(group), is_eagle_group=group["draft"]
                )
                for place, group in enumerate(groups)
            ],
            prefix_cache_retention_interval=case["retention_interval"],
        )
        self.manager = manager.KVCacheManager(
            config,
            max_model_len=LONGEST,
            scheduler_block_size=lcm(*blocks),
            hash_block_size=self.unit,
            max_in_flight_tokens=self.chunk * (2 if self.asynchronous else 1),
            use_eagle=any(group["draft"] for group in groups),
        )
        self.pool = self.manager.block_pool
        self.evicted: list[str] = []
        self.peak = 0
        self._log_evictions()
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}
        self.numbered = [self._numbered(one) for one in trace]

    def _log_evictions(self) -> None:
        own = self.pool._maybe_evict_cached_block

        def noted(block: Any) -> Any:
            name = block.block_hash
            if evicted := own(block):
                self.evicted.append(self._name(name))
            return evicted

        self.pool._maybe_evict_cached_block = noted

    def _name(self, name: Any) -> str:
        number = int.from_bytes(utilities.get_block_hash(name), "big")
        return f"{utilities.get_group_id(name)}:{number}"

    def _numbered(self, one: Mapping[str, Any]) -> tuple[list[int], int, list[bytes]]:
        """All tokens, those of the prompt, and the blocks' numbers, each told by all before it."""
        prompt = list(tokens(one["prompt"]))
        both = [*prompt, *tokens(one["output"])]
        before, names = -1, []
        for end in range(self.unit, len(both) + 1, self.unit):
            block = before, tuple(both[end - self.unit : end])
            before = self._known.setdefault(block, len(self._known))
            names.append(before.to_bytes(8, "big"))
        return both, len(prompt), names

    def request(self, place: int) -> Any:
        both, prompt, names = self.numbered[place]

        def hasher(request: Any) -> list[bytes]:
            return names[len(request.block_hashes) : request.num_tokens // self.unit]

        sampling = parameters.SamplingParams(max_tokens=len(both) - prompt)
        made = requests.Request(str(place), both[:prompt], sampling, None, block_hasher=hasher)
        made.answer = both[prompt:]
        return made

    def start(self, request: Any) -> bool:
        """Look a prompt up and compute it; a request that finds no room holds nothing."""
        blocks, hit, shared = self.manager.get_computed_blocks(request)
        request.shared_prefix_boundary, request.hit = shared, hit
        tokens = min(self.chunk, request.num_prompt_tokens - hit)
        if not self._took(request, tokens, hit, blocks, full_sequence_must_fit=True):
            return False
        request.num_computed_tokens += hit
        while (left := request.num_prompt_tokens - request.num_computed_tokens) > 0:
            if not self.step(request, min(self.chunk, left)):
                self.manager.free(request)
                return False
        return True

    def step(self, request: Any, tokens: int) -> bool:
        request.num_in_flight_tokens = request.last_step if self.asynchronous else 0
        return self._took(request, tokens)

    def _took(self, request: Any, tokens: int, *more: Any, **named: Any) -> bool:
        if self.manager.allocate_slots(request, tokens, *more, **named) is None:
            return False
        request.num_computed_tokens += tokens
        request.last_step = tokens
        free = self.pool.get_num_free_blocks()
        self.peak = max(self.peak, self.pool.num_gpu_blocks - 1 - free)
        return True

    def answer(self, request: Any) -> bool:
        """Steps of one token; a token is known before its step, asynchronously after it."""
        for token in request.answer[:-1]:
            if not self.asynchronous:
                request.append_output_token_ids(token)
            if not self.step(request, 1):
                return False
            if self.asynchronous:
                request.append_output_token_ids(token)
                self.manager.cache_blocks(request, request.num_computed_tokens - 1)
        if self.asynchronous:
            self.manager.cache_blocks(request, request.num_computed_tokens)
        return True

    def one_after_another(self, refused: Sequence[int]) -> list[int]:
        """The hits, those that are refused left out."""
        hits = []
        for place in range(len(self.trace)):
            request = self.request(place)
            if place in refused:
                hits.append(0)
                continue
            if not (self.start(request) and self.answer(request)):
                raise NoRoomError(place)
            self.manager.free(request)
            hits.append(request.hit)
        return hits

    def as_they_come(self, refused: list[int]) -> list[int]:
        """The hits of requests that hold their prompts' blocks for their lives."""
        hits = [0] * len(self.trace)
        coming, waiting = deque(range(len(hits))), deque[int]()
        ends: list[tuple[int, int, Any]] = []
        while coming or ends:
            if ends and not (coming and self.trace[coming[0]]["t"] < ends[0][0]):
                now, _, request = heappop(ends)
                self.manager.free(request)
            else:
                waiting.append(coming.popleft())
                now = self.trace[waiting[-1]]["t"]
            while waiting:
                place = waiting[0]
                request = self.request(place)
                if self.start(request):
                    hits[place] = request.hit
                    heappush(ends, (now + self.trace[place]["runs"], place, request))
                elif ends:
                    break
                else:
                    refused.append(place)
                waiting.popleft()
        return hits

    def free(self) -> Iterator[str]:
        for block in self.pool.free_block_queue.get_all_free_blocks():
            yield self._name(block.block_hash) if block.block_hash else "-"

    def figures(self, refused: Sequence[int]) -> dict[str, Any]:
        out = list(refused)
        hits = self.as_they_come(out) if self.timed else self.one_after_another(out)
        return {
            "hits": hits,
            "refused": out,
            "evicted_digest": digest(self.evicted),
            "free_queue_digest": digest(self.free()),
            "peak_blocks": self.peak,
        }


def tokens(runs: Iterable[Sequence[int]]) -> Iterator[int]:
    for first, count in runs:
        yield from range(first, first + count)
