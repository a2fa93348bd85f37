"""The settings of transformers' cache."""

from typing import Annotated, Literal

from kvcalc.engines.engine import About, Settings


class TransformersSettings(Settings):
    """The settings of transformers' cache.

    `after_prompt` asks for the storage held right after the prompt was processed, when a sliding
    or chunked layer's tensor is still a view of the whole prompt's; else for the tensors' own
    sizes. A static cache has all tokens of the context, its `max_cache_len`, from the start.
    """

    after_prompt: Annotated[bool, About("true or false", "src/transformers/cache_utils.py")] = False
    cache_implementation: Annotated[
        Literal["dynamic", "static"],
        About("the cache's class", "generation/configuration_utils.py"),
    ] = "dynamic"
