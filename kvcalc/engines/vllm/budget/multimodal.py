"""What the encoder of a model that reads images takes in the profile run, on dummy images.

As many images as a batch has tokens for are encoded, and what the encoder gives stays until the
run ends; the V1 runner keeps the pixels as well (v1/worker/gpu_model_runner.py, profile_run).
"""

from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.engines.vllm.budget.towers import DUMMY_IMAGES
from kvcalc.formula.expression import Value, maximum

CHANNELS = 3


def images(profile: Profile) -> Value:
    """Bytes of dummy images and of what the encoder makes of them; 0 without an encoder."""
    tower = profile.sizes.tower
    if tower is None or profile.settings.language_model_only or not profile.first:
        return 0
    tiles, tokens, side = DUMMY_IMAGES[tower.kind]
    pixels = CHANNELS * side**2 if profile.runner == "V1" else 0
    images = maximum(1, profile.tokens // (tiles * tokens))
    tile = pixels + tokens * profile.sizes.hidden_size
    return images * tiles * tile * profile.element
