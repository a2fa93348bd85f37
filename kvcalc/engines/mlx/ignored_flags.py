"""Flags of mlx_lm.server and mlx_lm.generate that cannot touch a cache, and why (0.32.2)."""

IGNORED = {
    "what the weights are loaded with or computed in: a cache has the activations' type": {
        0: "--trust-remote-code --quantize-activations -qa",
        1: "--adapter-path",
    },
    "where the server listens, and what it logs": {
        1: "--host --port --log-level --allowed-origins --verbose",
    },
    "the text of the prompt: its tokens are the context": {
        0: "--ignore-chat-template --use-default-chat-template",
        1: "--chat-template --chat-template-args --chat-template-config --system-prompt "
        "--prefill-response --prompt -p",
        -1: "--image",
    },
    "prompts that are read at once, of sequences that are counted": {1: "--prompt-concurrency"},
    "when a sequence ends: its tokens are the context": {
        1: "--max-tokens -m",
        -1: "--extra-eos-token",
    },
    "how many tokens a draft is asked for: those that are kept are the context": {
        1: "--num-draft-tokens",
    },
    "how the next token is drawn": {
        1: "--temp --top-p --top-k --min-p --xtc-probability --xtc-threshold "
        "--min-tokens-to-keep --seed",
    },
}
"""By reason, and by how many values each takes; -1: as many as follow."""
