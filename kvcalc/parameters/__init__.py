"""From a model's layers and sizes to the tensors of its published checkpoint.

`sizes` is what is published, `quantization` how it is stored, `checkpoint` lists the `tensor`s that
follow, and `counts` counts them; `attention`, `recurrent` and `mlp` are the way, one rule for each
kind of layer, and `tower` what reads images. What an engine makes of a tensor is the engine's
business.
"""
