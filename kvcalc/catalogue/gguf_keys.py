"""Every key name below an architecture's that llama.cpp knows: what of it can touch the cache.

Source: llama.cpp of 2026-10-01 (commit 0c1e570), src/llama-arch.cpp (LLM_KV_NAMES), and what
src/models, src/llama-hparams.cpp and src/llama-memory*.cpp make of each.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


READ = _names(
    """
    attention.compress_ratios attention.head_count attention.head_count_kv
    attention.indexer.key_length attention.indexer.types attention.key_length
    attention.key_length_mla attention.key_length_mla_swa attention.key_length_swa
    attention.kv_lora_rank attention.kv_lora_rank_swa attention.recurrent_layers
    attention.shared_kv_layers attention.sliding_window attention.sliding_window_pattern
    attention.value_length attention.value_length_mla attention.value_length_mla_swa
    attention.value_length_swa block_count context_length decoder_block_count embedding_length
    feed_forward_length full_attention_interval hyper_connection.count kda.head_dim
    leading_dense_block_count nextn_predict_layers num_loops ple.conv_kernel ple.layers
    ple.ngram_size rope.dimension_count shortconv.l_cache ssm.conv_kernel ssm.group_count
    ssm.inner_size ssm.state_size ssm.time_step_rank token_shift_count wkv.head_size
    """
)
"""Those that the reader reads; where an architecture gives one a meaning that no rule knows, it is
refused."""

HARMLESS = {
    "positions: what is stored is as long with any of them": _names(
        """
        attention.compress_rope_freq_base attention.relative_buckets_count attention.rope_pattern
        rope.dimension_count_swa rope.dimension_sections rope.freq_base rope.freq_base_swa
        rope.scale_linear rope.scaling.alpha rope.scaling.attn_factor rope.scaling.factor
        rope.scaling.finetuned rope.scaling.original_context_length rope.scaling.type
        rope.scaling.yarn_attn_factor rope.scaling.yarn_beta_fast rope.scaling.yarn_beta_slow
        rope.scaling.yarn_ext_factor rope.scaling.yarn_log_multiplier
        """
    ),
    "factors, limits and norms of what is computed": _names(
        """
        activation.situ_beta activation.situ_linear_beta attention.causal attention.clamp_kqv
        attention.group_norm_epsilon attention.group_norm_groups attention.layer_norm_epsilon
        attention.layer_norm_rms_epsilon attention.max_alibi_bias attention.output_scale
        attention.scale attention.temperature_length attention.temperature_scale
        attention.value_scale attn_logit_softcapping attn_res.block_size embedding_scale
        final_logit_softcapping hidden_activation hyper_connection.epsilon
        hyper_connection.low_rank hyper_connection.magnitude
        hyper_connection.sinkhorn_iterations kda.gate_lower_bound kda.safe_gate logit_scale
        norm_before_fc norm_before_residual rescale_every_n_layers residual_scale
        router_logit_softcapping skip_loop_final_norm ssm.dt_b_c_rms swiglu_clamp_exp
        swiglu_clamp_shexp swin_norm use_parallel_residual
        """
    ),
    "ranks and groups of projections: their outputs' sizes are other keys": _names(
        """
        attention.decay_lora_rank attention.gate_lora_rank attention.iclr_lora_rank
        attention.output_group_count attention.output_lora_rank attention.q_lora_rank
        attention.value_residual_mix_lora_rank time_decay_extra_dim time_mix_extra_dim
        """
    ),
    "an indexer's choice: the keys it chooses among are stored all the same": _names(
        """
        attention.indexer.block_size attention.indexer.head_count attention.indexer.kpool
        attention.indexer.kpool_select_tail attention.indexer.local_blocks
        attention.indexer.top_k
        """
    ),
    "experts and their routing": _names(
        """
        expert_chunk_feed_forward_length expert_count expert_feed_forward_length
        expert_gating_func expert_group_count expert_group_scale expert_group_used_count
        expert_latent_length expert_shared_count expert_shared_feed_forward_length
        expert_used_count expert_weights_norm expert_weights_scale experts_per_group
        hash_layer_count interleave_moe_layer_step moe_every_n_layers moe_latent_size
        """
    ),
    "embeddings' tables: what of them is kept between steps ple.layers says": _names(
        """
        adapters.count adapters.lora_rank adapters.router_gain adapters.token_ids_activate
        adapters.token_ids_substitute deepstack_mapping embedding_length_out
        embedding_length_per_layer_input features_length n_deepstack_layers ple.eos_token_id
        ple.head_offsets ple.head_vocab_sizes ple.heads_per_ngram ple.image_token_id
        ple.layer_multipliers tensor_data_layout vocab_size
        """
    ),
    "a draft's: which layers of its target it reads, and how it picks tokens": _names(
        """
        block_size conv_group_size conv_kernel_size selector_rank selector_top_k
        target_hidden_size target_layers
        """
    ),
    "cycles of the same layers: block_count counts them (src/models/hrm-text.cpp)": _names(
        "hrm.h_cycles hrm.l_cycles hrm.layers_per_stack hrm.prefix_lm"
    ),
    "parts of models that generate no text by a cache, and outputs": _names(
        """
        classifier.output_labels classifier.pooling_type convnext.block_count
        convnext.embedding_length decoder_start_token_id dense_2_feat_in dense_2_feat_out
        dense_3_feat_in dense_3_feat_out pooling_type posnet.block_count
        posnet.embedding_length
        """
    ),
}
"""Those that cannot change the cache, by why not."""

CANNOT_MATTER = frozenset().union(*HARMLESS.values())
