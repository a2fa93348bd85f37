"""The rules of LMDeploy that differ by release; `releases` says which holds from when on."""


def multiples_of_128(asked: int) -> int:
    """Tokens of DeepSeek V4's block: at least 256, and a multiple of 128."""
    return max(256, -(-asked // 128) * 128)


def always_256(asked: int) -> int:
    """Tokens of DeepSeek V4's block: 256, whatever is asked."""
    return 256
