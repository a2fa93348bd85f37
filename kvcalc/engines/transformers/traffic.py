"""What requests hold on transformers while they live: what their tokens take."""

from kvcalc.engines.traffic import AS_THEY_COME

TRAFFIC = AS_THEY_COME
