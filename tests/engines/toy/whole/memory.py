from kvcalc.engines.memory import Memory, whole_blocks
from tests.engines.toy.whole import pool

MEMORY = Memory("tests/engines/toy", "0: a toy", usable=whole_blocks(pool, held_back=1))
