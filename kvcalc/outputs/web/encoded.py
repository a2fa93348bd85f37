"""A page's plan as data for its script: each structure of a formula once, each text once."""

from collections.abc import Hashable, Iterable, Mapping
from shlex import join, quote
from typing import Any, Generic, TypeVar

from kvcalc.answers.listed import Listed
from kvcalc.answers.page import PagedEngine, PagePlan
from kvcalc.answers.page.combinations import PagedCombination, PagedCost
from kvcalc.costs import CONTEXT, SEQUENCES, WINDOW, Group
from kvcalc.formula.expression import Value, substituted
from kvcalc.formula.formula import Formula
from kvcalc.formula.languages import javascript
from kvcalc.formula.limits import Limit
from kvcalc.formula.structure import number_name, structured
from kvcalc.formula.target import TEXT, render
from kvcalc.model import no_window

NONE = -1
"""Stands for a place in a table where there is no such thing."""

ASKED = -1
"""Stands for the window that is asked for."""

VARIABLES = {CONTEXT.name: "c", SEQUENCES.name: "s", WINDOW.name: "w"}
"""What stays a variable, and its name in the page's functions; other quantities keep their own."""

EXACT = 2**53
"""Past this a number of JSON is no longer exact as a script reads it: it goes as a text."""

Entry = TypeVar("Entry", bound=Hashable)


class Once(Generic[Entry]):
    """Entries in the order in which they first came up, each once; a place stands for an entry."""

    def __init__(self) -> None:
        self._places: dict[Entry, int] = {}

    def place(self, entry: Entry) -> int:
        """Where an entry stands."""
        return self._places.setdefault(entry, len(self._places))

    @property
    def entries(self) -> list[Entry]:
        """The entries by their places."""
        return list(self._places)


class Encoding:
    """The tables that a page's answers point into."""

    def __init__(self) -> None:
        self.texts: Once[str] = Once()
        self.functions: Once[str] = Once()
        self.shown: dict[int, str] = {}
        self.limits: Once[tuple[Any, ...]] = Once()
        self.formulas: Once[tuple[Any, ...]] = Once()
        self.answers: Once[tuple[Any, ...]] = Once()
        self._known: dict[Formula, int] = {}

    def answer(self, one: PagedCombination, paged: PagedCost) -> int:
        """An answer: a refusal is its text alone."""
        cost = paged.cost
        if cost is None:
            return self.answers.place((self.texts.place(_unasked(str(paged.error), one)),))
        peak = cost.peak_formula
        entry = (
            self.formula(cost.formula),
            self.formula(cost.per_gpu),
            NONE if peak is None else self.formula(peak),
            NONE if paged.full is None else self._at_own_window(paged.full.formula),
            self.texts.place(cost.kv_cache_dtype),
            self.texts.place(cost.why) if cost.why else NONE,
            paged.least_window or 0,
            self.texts.place(paged.refused_window) if paged.refused_window else NONE,
            tuple(self._group(one, at in paged.sliding) for at, one in enumerate(cost.groups)),
        )
        return self.answers.place(entry)

    def _group(self, group: Group, slides: bool) -> tuple[int, int, int, int]:
        """A group: its kind, layers, window (0: none, -1: the one asked for) and formula."""
        window = ASKED if slides else group.window or 0
        return self.texts.place(group.kind), group.layers, window, self.formula(group.formula)

    def _at_own_window(self, formula: Formula) -> int:
        """A formula whose window does not vary: it is that of layers that see all."""
        window = {name: n for name, n in formula.variables.items() if name == WINDOW.name}
        return self.formula(
            Formula(
                substituted(formula.expression, window), formula.variables, limits=formula.limits
            )
        )

    def formula(self, formula: Formula) -> int:
        """A formula: its function, its limits and its numbers."""
        if formula not in self._known:
            place, numbers = self._function(formula.expression, formula)
            limits = tuple(self._limit(limit, formula) for limit in formula.limits)
            self._known[formula] = self.formulas.place((place, self.limits.place(limits), *numbers))
        return self._known[formula]

    def _limit(self, limit: Limit, formula: Formula) -> tuple[Any, ...]:
        """A limit: what is limited, to what, what it is of, and what is expected."""
        value, told = (
            self.formula(Formula(part, formula.variables)) for part in (limit.value, limit.told)
        )
        return value, _number(limit.most), limit.field, limit.expected, told

    def _function(self, expression: Value, formula: Formula) -> tuple[int, list[int | str]]:
        """The function of an expression's structure, and its numbers."""
        own = {name: n for name, n in formula.variables.items() if name not in VARIABLES}
        value = substituted(expression, own)
        structure, numbers = structured(value)
        names = {number_name(place): f"p[{place}]" for place in range(len(numbers))} | VARIABLES
        target = javascript.target_of(value)._replace(variable=names.__getitem__)
        place = self.functions.place(f"(c, s, w, p) => {render(structure, target)}")
        braces = {number_name(place): f"{{{place}}}" for place in range(len(numbers))}
        words = braces | {name: name for name in VARIABLES}
        self.shown[place] = render(structure, TEXT._replace(variable=words.__getitem__))
        return place, list(map(_number, numbers))


def encoded(plan: PagePlan) -> tuple[dict[str, Any], list[str]]:
    """The data of a page, of ints, texts and lists alone, and the functions that it points to."""
    encoding = Encoding()
    size = len(plan.combinations) // len(plan.models)
    grids = []
    for place in range(len(plan.models)):
        own = plan.combinations[place * size : (place + 1) * size]
        several = [(one, one.one_window) for one in own if one.one_window is not None]
        grids.append(
            [
                _packed(encoding.answer(*pair) for pair in pairs)
                for pairs in ([(one, one.own) for one in own], several)
            ]
        )
    data = {
        "version": plan.version,
        "command": plan.command,
        "models": [_model(one) for one in plan.models],
        "engines": [_engine(one) for one in plan.engines],
        "options": _options({k: v for one in plan.engines for k, v in one.settings.items()}),
        "gpu": plan.gpu or "",
        "dtypes": [dtype or "" for dtype in plan.dtypes],
        "ranks": plan.ranks,
        "context": plan.context,
        "sequences": plan.sequences,
        "window": plan.window,
        "grids": grids,
        "answers": encoding.answers.entries,
        "formulas": encoding.formulas.entries,
        "limits": encoding.limits.entries,
        "shown": list(encoding.shown.values()),
        "texts": encoding.texts.entries,
    }
    return data, encoding.functions.entries


def _unasked(text: str, one: PagedCombination) -> str:
    """A refusal with {dtype} and {gpus} for what it was asked: most differ in that alone."""
    if "{" in text:
        return text
    text = text.replace(f"found {one.tensor_parallel_size},", "found {gpus},")
    if one.kv_cache_dtype is not None:
        for said in ("found X,", "found 'X',", "type 'X' "):
            asked = said.replace("X", one.kv_cache_dtype)
            text = text.replace(asked, said.replace("X", "{dtype}"))
    return text


def _packed(places: Iterable[int]) -> list[int]:
    """A list whose runs of one place are written as the place and how often it comes."""
    runs: list[int] = []
    for place in places:
        if runs and runs[-2] == place:
            runs[-1] += 1
        else:
            runs += [place, 1]
    return runs


def _model(one: Listed) -> dict[str, Any]:
    model = one.model
    facts: dict[str, list[str]] = {}
    for fact, origin in one.reading.origins.items():
        facts.setdefault(origin, []).append(fact)
    return {
        "name": one.name,
        "asked": quote(one.asked or one.model.name),
        "max": model.max_context,
        "windows": model.sliding_windows,
        "noWindow": "" if model.sliding_windows else no_window(model),
        "contexts": model.contexts,
        "compared": model.windows,
        "source": one.reading.source,
        "notes": one.reading.notes,
        "facts": [[", ".join(names), origin] for origin, names in facts.items()],
    }


def _engine(one: PagedEngine) -> dict[str, Any]:
    own = one.settings
    return {
        "name": one.name,
        "version": "" if one.version == "-" else one.version,
        "source": one.source,
        "settings": _options({name: own[name] for name in own if name != "gpu"}),
        "options": _options(own),
    }


def _options(settings: Mapping[str, Any]) -> str:
    """The options of a command that give these settings."""
    words = []
    for name, value in settings.items():
        words += ["--gpu", str(value)] if name == "gpu" else ["--set", f"{name}={_setting(value)}"]
    return join(words)


def _setting(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(number: int) -> int | str:
    return number if abs(number) < EXACT else str(number)
