"""Formulas that look up the chosen GPU's, engine's and combination's cells, and its start."""

from kvcalc.answers.workbook import Workbook
from kvcalc.answers.workbook.starts import NO_CAPABILITY, kinds
from kvcalc.catalogue import gpus
from kvcalc.outputs.workbook.cells import letters, match
from kvcalc.outputs.workbook.expected import MISSING, SEE_TOTAL
from kvcalc.outputs.workbook.layout import ENGINES, FIRST_ROW, FORMULAS, GPUS, column_of

NO_KIND = "gpu: Start has no such compute_capability"


def of_gpu(name: str) -> str:
    """Look up a fact of the chosen GPU."""
    rows = len(gpus.catalogue())
    names, column = (column_of("GPUs", GPUS, one, rows) for one in ("gpu", name))
    return f"INDEX({column},{match('gpu', names)})"


def of_row(book: Workbook, name: str) -> str:
    """Look up a cell of the chosen row of *Formulas*."""
    return f"INDEX({column_of('Formulas', FORMULAS, name, len(book.combinations))},formulas_row)"


def of_engine(book: Workbook, name: str) -> str:
    """Look up a fact of the chosen engine."""
    rows = len(book.engines)
    names, column = (column_of("Engines", ENGINES, one, rows) for one in ("engine", name))
    return f"INDEX({column},MATCH(engine,{names},0))"


def there(*names: str) -> str:
    """Whether each of several cells has a number; a sum takes an empty one for 0."""
    return f"AND({','.join(f'ISNUMBER({name})' for name in names)})"


def start_row(book: Workbook) -> str:
    """Find the first row of the chosen start: by the GPU's own name, else by its capability."""
    on, rows = kinds(book.starts.gpu), len(book.combinations)
    first, last = letters(len(FORMULAS)), letters(len(FORMULAS) + len(on) - 1)
    heads = f"Formulas!${first}${FIRST_ROW}:${last}${FIRST_ROW}"
    cells = f"Formulas!${first}${FIRST_ROW + 1}:${last}${FIRST_ROW + rows}"
    has = of_gpu("compute_capability")
    tenths = f"ROUND({has}*10,0)"
    typed = f'INT({tenths}/10)&"."&MOD({tenths},10)'
    kind = f'IF(ISNUMBER({has}),{typed},IF({has}="","{NO_CAPABILITY}",{has}))'
    place = f"IFERROR({match('gpu', heads)},MATCH({kind},{heads},0))"
    return (
        f"=IF(ISNUMBER(total_bytes),IF(ISNUMBER(gpu_memory),IFERROR(INDEX({cells},formulas_row,"
        f'{place}),"{NO_KIND}"),"{MISSING}"),"{SEE_TOTAL}")'
    )
