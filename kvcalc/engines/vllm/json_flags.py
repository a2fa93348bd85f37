"""The flags of `vllm serve` whose value is JSON: read into settings, and written from them.

vLLM 0.33.0: config/attention.py, config/kv_transfer.py, config/kv_events.py. Of each flag the keys
are parted as flags are: those that give a setting, those that cannot touch a cache, those that are
refused. Others are named. `draft_flags` reads --speculative-config.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kvcalc.engines.server.asked import Asked
from kvcalc.engines.server.json_flags import table_of
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.errors import RequestError

ATTENTION = {
    "backend": "attention_backend",
    "flash_attn_version": "flash_attention_version",
    "indexer_kv_dtype": "indexer_kv_dtype",
}
"""Keys of --attention-config that touch the cache: the setting of each."""

KERNELS = frozenset(
    {
        *("minimax_m3_msa_decode_backend", "flash_attn_max_num_splits_for_cuda_graph"),
        *("tokenspeed_mla_min_split_kv", "tq_max_kv_splits_for_cuda_graph"),
        *("use_trtllm_attention", "disable_flashinfer_q_quantization", "mla_prefill_backend"),
        *("use_prefill_query_quantization", "trtllm_ragged_backend", "indexer_sparse_logits"),
        *("indexer_tp_shard_min_rows", "minimax_m3_indexer_cp", "use_non_causal"),
        *("sparse_mla_force_mqa", "sparse_mla_prefill_workspace_factor", "flex_attn_block_m"),
        *("flex_attn_block_n", "flex_attn_q_block_size", "flex_attn_kv_block_size"),
        *("use_cudnn_prefill", "use_trtllm_ragged_deepseek_prefill", "disable_flashinfer_prefill"),
        "use_prefill_decode_attention",
    }
)
"""Keys of --attention-config that say how attention is computed; the last four are older ones."""

ATTENTION_REFUSED = {
    "backend_per_kind": "backends of each kind of layer choose each its own blocks",
    "hisparse_config": "HiSparse keeps rows in main memory and few of them on the GPU",
}
"""Keys of --attention-config that change the cache in ways that are not counted."""

FP4, FP4_INDEX = "mxfp4", "use_fp4_indexer_cache"
"""The type of an indexer's keys of 4 bits, and the key of --attention-config that stored them so
before `indexer_kv_dtype` did."""

NO = ("false", "0", "no", "off", "n", "f", "none")
"""What a key that is true or false takes for false (pydantic)."""

INDEX_TYPES = {"bfloat16": "bf16"}
"""Element types of indexers' keys whose name is another in --attention-config."""

TRANSFER = frozenset(
    {
        *("kv_connector", "kv_role", "engine_id", "kv_buffer_device", "kv_buffer_size", "kv_rank"),
        *("kv_parallel_size", "kv_ip", "kv_port", "kv_connector_extra_config"),
        *("kv_connector_module_path", "enable_permute_local_kv", "kv_load_failure_policy"),
    }
)
"""Keys of --kv-transfer-config; only the connectors change the cache."""

CONNECTORS_REFUSED = {
    "HiSparseConnector": ATTENTION_REFUSED["hisparse_config"],
}

SEVERAL = "MultiConnector"
"""The connector that holds several others, each as --kv-transfer-config has one."""

HOST_MEMORY = ("cpu_bytes_to_use", "num_cpu_blocks")
"""Keys of a connector's own with which it keeps copies in main memory."""

COPIES = frozenset({"LMCacheConnectorV1", "MooncakeStoreConnector", "FlexKVConnectorV1"})
"""Connectors that keep copies there by themselves (lmcache 0.5.6, v1/config.py: 5 GB of each rank;
v1/mooncake/store/worker.py, global_segment_size; v1/flexkv_connector.py: main memory, SSDs and
others)."""

LMCACHE_MP = "LMCacheMPConnector"
"""A connector of the package lmcache, whose version says whether the hybrid manager stays on."""

EVENTS = json.dumps({"enable_kv_cache_events": True})
"""--kv-events-config with events."""


def read_attention(text: str, asked: Asked) -> None:
    """Read --attention-config into settings.

    Raises:
        RequestError: it is not JSON, has a key that changes the cache in a way that is not counted,
            or one that the release does not have.
    """
    flag = "--attention-config"
    table = table_of(flag, text)
    _read_fp4_index(flag, table, asked)
    refuse_and_name(flag, table, {*ATTENTION, *KERNELS}, ATTENTION_REFUSED, asked)
    for key in ATTENTION.keys() & table.keys():
        asked.settings[ATTENTION[key]] = table[key]


def _read_fp4_index(flag: str, table: dict[str, Any], asked: Asked) -> None:
    """Take the keys that store an indexer's keys in 4 bits, as the release does."""
    standing = RELEASES.at(asked.settings.get("release"))
    stored: Mapping[str, bool] = standing.rules["fp4_index"].value
    if (old := table.pop(FP4_INDEX, None)) is not None and FP4_INDEX not in stored:
        raise RequestError.about(
            "--from",
            f"{flag}: vllm {standing.version} does not have {FP4_INDEX}: give indexer_kv_dtype, or "
            "the release",
        )
    new = table.get("indexer_kv_dtype")
    if new == FP4 and "indexer_kv_dtype" not in stored:
        del table["indexer_kv_dtype"]
        asked.notes.append(
            f"{flag}.indexer_kv_dtype: vllm {standing.version} stores no index of sparse attention "
            f"in {FP4} by it"
        )
    if old is not None and str(old).lower() not in NO and stored[FP4_INDEX]:
        table["indexer_kv_dtype"] = FP4


def write_attention(given: dict[str, Any]) -> str | None:
    """Take the settings that only --attention-config gives out of others, and write them."""
    table = {
        key: INDEX_TYPES.get(value, value)
        for key, name in ATTENTION.items()
        if name != "attention_backend" and (value := given.pop(name, None)) is not None
    }
    return json.dumps(table) if table else None


def read_transfer(text: str, asked: Asked) -> None:
    """Read the names of the connectors of --kv-transfer-config into a setting."""
    flag = "--kv-transfer-config"
    table = table_of(flag, text)
    refuse_and_name(flag, table, TRANSFER, {}, asked)
    connectors = [*_connectors(table)]
    for name, own in connectors:
        if name in CONNECTORS_REFUSED:
            raise RequestError.about("--from", f"{flag}: {CONNECTORS_REFUSED[name]}")
        staged = own.get("kv_buffer_device") == "cpu"  # v1/nixl/base_worker.py, use_host_buffer
        if staged or name in COPIES or any(key in own for key in HOST_MEMORY):
            asked.notes.append(f"{name}: its copies in main memory come on top")
        note_connector(name, asked)
    if connectors:
        asked.settings["kv_connector"] = ",".join(name for name, _ in connectors)


def note_connector(name: str, asked: Asked) -> None:
    """Say of a connector what its name does not settle."""
    if name == LMCACHE_MP:
        asked.notes.append(
            f"{name}: whether it turns the hybrid manager off depends on lmcache's version; "
            "here it does (disable_hybrid_kv_cache_manager=false for one that does not)"
        )


def _connectors(table: dict[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a table's connectors, each with its keys and those of its kv_connector_extra_config.

    Of one that holds several, those are yielded in its place.
    """
    extra = table.get("kv_connector_extra_config")
    own = extra if isinstance(extra, dict) else {}
    held = own.get("connectors")
    for inner in held if isinstance(held, list) else ():
        if isinstance(inner, dict):
            yield from _connectors(inner)
    if not held and table.get("kv_connector"):
        yield str(table["kv_connector"]), {**table, **own}


def write_transfer(names: str) -> str:
    """Write --kv-transfer-config with connectors that both store and load."""
    tables = [{"kv_connector": name, "kv_role": "kv_both"} for name in names.split(",") if name]
    if len(tables) == 1:
        return json.dumps(tables[0])
    held = {"connectors": tables}
    return json.dumps(
        {"kv_connector": SEVERAL, "kv_role": "kv_both", "kv_connector_extra_config": held}
    )


def read_events(text: str, asked: Asked) -> None:
    """Read --kv-events-config: that it is given is what counts, in releases where it does."""
    table_of("--kv-events-config", text)
    asked.settings["enable_kv_cache_events"] = True


def refuse_and_name(
    flag: str,
    table: Mapping[str, Any],
    known: Collection[str],
    refused: Mapping[str, str],
    asked: Asked,
) -> None:
    """Refuse keys that change the cache in ways that are not counted, and name those not known.

    Raises:
        RequestError: there is one that is refused.
    """
    for key in table:
        if key in refused:
            raise RequestError.about(
                "--from", f"{flag}: {key}: {refused[key]}, which kvcalc does not count"
            )
    if unknown := [f"{flag}.{key}" for key in table if key not in known]:
        asked.name_unknown(unknown)
