"""What a line's --device changes: no layer is on a GPU, or shares count for the first devices."""

import re

from kvcalc.engines.server.asked import Asked

FLAGS = ("-dev", "--device", "LLAMA_ARG_DEVICE")


def read_devices(asked: Asked) -> None:
    """Read the devices that a line names.

    `none` stands for no device (common/arg.cpp, parse_device_list); each device has one share, and
    more shares count for nothing (src/llama-model.cpp, load_tensors).
    """
    named = next((asked.passed[flag] for flag in FLAGS if flag in asked.passed), None)
    if named is None:
        return
    shares = asked.settings.pop("tensor_split", None)
    if named == "none":
        asked.settings["n_gpu_layers"] = 0
    elif shares is not None:
        kept = re.split("[,/]+", shares)[: len(named.split(","))]
        asked.settings["tensor_split"] = ",".join(kept)
