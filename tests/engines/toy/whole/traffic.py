from kvcalc.engines.traffic import AS_THEY_COME

TRAFFIC = AS_THEY_COME
