"""vLLM's prefix cache, replayed: which blocks of a prompt are still there when they are asked for.

vLLM 0.33.0, v1/core/block_pool.py, kv_cache_manager.py, kv_cache_coordinator.py and
single_type_kv_cache_manager.py. Blocks that come and go together are handled as runs. `groups` has
what of the groups decides, `named` the blocks that can be found, `lookup` what is found of a
prompt, `life` what a request takes and gives back, `manager` the pool of one size, `sizes` many
sizes of one group at once, `best` the most that any policy could hit in it.
"""
