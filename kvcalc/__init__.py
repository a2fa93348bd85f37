"""The key/value-cache memory a language model needs at inference, exactly, from its shape.

    >>> import kvcalc
    >>> model = kvcalc.load("k-exaone-236b-a23b")
    >>> kvcalc.cost(model, engine="ideal")(context=262_144)
    12903776256

Every command is a function of the same name here, except two: as `kvcalc.formula` and
`kvcalc.engines` are packages, their functions are `write_formula`, and `list_engines` with
`describe_engine`. Each name is imported when it is first used.
"""

TYPE_CHECKING = False  # type checkers take it for typing's; typing is not imported

if TYPE_CHECKING:
    from kvcalc.answers.axes import RefusedWarning as RefusedWarning
    from kvcalc.answers.check import check as check
    from kvcalc.answers.compare import Compared as Compared
    from kvcalc.answers.compare import compare as compare
    from kvcalc.answers.diff import Diff as Diff
    from kvcalc.answers.diff import diff as diff
    from kvcalc.answers.diff.causes import Cause as Cause
    from kvcalc.answers.diff.side import Side as Side
    from kvcalc.answers.engines import DescribedEngine as DescribedEngine
    from kvcalc.answers.engines import EngineRow as EngineRow
    from kvcalc.answers.engines import SettingRow as SettingRow
    from kvcalc.answers.engines import describe_engine as describe_engine
    from kvcalc.answers.engines import list_engines as list_engines
    from kvcalc.answers.estimate import Estimate as Estimate
    from kvcalc.answers.estimate import GroupShare as GroupShare
    from kvcalc.answers.estimate import estimate as estimate
    from kvcalc.answers.explain import explain as explain
    from kvcalc.answers.fill import FilledRow as FilledRow
    from kvcalc.answers.fill import fill as fill
    from kvcalc.answers.fit import fit as fit
    from kvcalc.answers.fit.fitted import Fit as Fit
    from kvcalc.answers.formula import write_formula as write_formula
    from kvcalc.answers.gpus import GpuRow as GpuRow
    from kvcalc.answers.gpus import gpus as gpus
    from kvcalc.answers.listed import Listed as Listed
    from kvcalc.answers.models import ModelRow as ModelRow
    from kvcalc.answers.models import models as models
    from kvcalc.answers.page import PagedEngine as PagedEngine
    from kvcalc.answers.page import PagePlan as PagePlan
    from kvcalc.answers.page.combinations import PagedCombination as PagedCombination
    from kvcalc.answers.page.combinations import PagedCost as PagedCost
    from kvcalc.answers.plot import plot as plot
    from kvcalc.answers.plotted import Curve as Curve
    from kvcalc.answers.plotted import Plot as Plot
    from kvcalc.answers.replay import replay as replay
    from kvcalc.answers.replayed import ReplayedRequest as ReplayedRequest
    from kvcalc.answers.replayed import ReplayRow as ReplayRow
    from kvcalc.answers.replayed import Replays as Replays
    from kvcalc.answers.schema import schema as schema
    from kvcalc.answers.show import Shown as Shown
    from kvcalc.answers.show import ShownLayers as ShownLayers
    from kvcalc.answers.show import show as show
    from kvcalc.answers.skill import skill as skill
    from kvcalc.answers.sweep import SweepRow as SweepRow
    from kvcalc.answers.sweep import sweep as sweep
    from kvcalc.answers.traces import Traced as Traced
    from kvcalc.answers.traces import trace as trace
    from kvcalc.answers.traces.admission import Admission as Admission
    from kvcalc.answers.traces.prefix import EngineHits as EngineHits
    from kvcalc.answers.traces.prefix import Hits as Hits
    from kvcalc.answers.traces.row import TraceRow as TraceRow
    from kvcalc.answers.traces.row import TraceRowOnGpus as TraceRowOnGpus
    from kvcalc.answers.workbook import Percentile as Percentile
    from kvcalc.answers.workbook import Workbook as Workbook
    from kvcalc.answers.workbook.combinations import Combination as Combination
    from kvcalc.charts.chart import Chart as Chart
    from kvcalc.costs import Cost as Cost
    from kvcalc.costs import Group as Group
    from kvcalc.costs import Split as Split
    from kvcalc.costs import Step as Step
    from kvcalc.engines.engine import Settings as Settings
    from kvcalc.engines.exllamav3.settings import ExllamaV3Settings as ExllamaV3Settings
    from kvcalc.engines.llama_cpp.settings import LlamaCppSettings as LlamaCppSettings
    from kvcalc.engines.lmdeploy.settings import LmdeploySettings as LmdeploySettings
    from kvcalc.engines.log import Checked as Checked
    from kvcalc.engines.log import Remedy as Remedy
    from kvcalc.engines.memory_part import MemoryPart as MemoryPart
    from kvcalc.engines.mlx.settings import MlxSettings as MlxSettings
    from kvcalc.engines.pool import pool as pool
    from kvcalc.engines.releases import ReleaseWarning as ReleaseWarning
    from kvcalc.engines.releases import UntestedWarning as UntestedWarning
    from kvcalc.engines.request import cost as cost
    from kvcalc.engines.sglang.settings import SglangSettings as SglangSettings
    from kvcalc.engines.transformers.settings import TransformersSettings as TransformersSettings
    from kvcalc.engines.vllm.settings import VllmSettings as VllmSettings
    from kvcalc.errors import KvcalcError as KvcalcError
    from kvcalc.errors import MissingExtraError as MissingExtraError
    from kvcalc.errors import RequestError as RequestError
    from kvcalc.errors import SourceError as SourceError
    from kvcalc.errors import TooLittleMemoryError as TooLittleMemoryError
    from kvcalc.errors import UnsupportedError as UnsupportedError
    from kvcalc.explanation import ExplainedGroup as ExplainedGroup
    from kvcalc.explanation import ExplainedStep as ExplainedStep
    from kvcalc.explanation import Explanation as Explanation
    from kvcalc.explanation import Lever as Lever
    from kvcalc.explanation import StepRow as StepRow
    from kvcalc.formula.expression import Expression as Expression
    from kvcalc.formula.formula import Formula as Formula
    from kvcalc.formula.languages.language import Written as Written
    from kvcalc.model import Model as Model
    from kvcalc.outputs.web.page import page as page
    from kvcalc.outputs.workbook.sheet import sheet as sheet
    from kvcalc.parameters.stored import Stored as Stored
    from kvcalc.pools import Pool as Pool
    from kvcalc.readers import load as load
    from kvcalc.readers import read as read
    from kvcalc.readers.reading import Reading as Reading
    from kvcalc.readers.weights import Weights as Weights
    from kvcalc.records import Records as Records
    from kvcalc.units import AmountWarning as AmountWarning
    from kvcalc.units import MemoryWarning as MemoryWarning
    from kvcalc.units import TokensWarning as TokensWarning

    __version__: str

_HOMES = {
    "answers.axes": "RefusedWarning",
    "answers.check": "check",
    "answers.compare": "Compared compare",
    "answers.diff": "Diff diff",
    "answers.diff.causes": "Cause",
    "answers.diff.side": "Side",
    "answers.engines": "DescribedEngine EngineRow SettingRow describe_engine list_engines",
    "answers.estimate": "Estimate GroupShare estimate",
    "answers.explain": "explain",
    "answers.fill": "FilledRow fill",
    "answers.fit": "fit",
    "answers.fit.fitted": "Fit",
    "answers.formula": "write_formula",
    "answers.gpus": "GpuRow gpus",
    "answers.listed": "Listed",
    "answers.models": "ModelRow models",
    "answers.page": "PagePlan PagedEngine",
    "answers.page.combinations": "PagedCombination PagedCost",
    "answers.plot": "plot",
    "answers.plotted": "Curve Plot",
    "answers.replay": "replay",
    "answers.replayed": "ReplayRow ReplayedRequest Replays",
    "answers.schema": "schema",
    "answers.show": "Shown ShownLayers show",
    "answers.skill": "skill",
    "answers.sweep": "SweepRow sweep",
    "answers.traces": "Traced trace",
    "answers.traces.admission": "Admission",
    "answers.traces.prefix": "EngineHits Hits",
    "answers.traces.row": "TraceRow TraceRowOnGpus",
    "answers.workbook": "Percentile Workbook",
    "answers.workbook.combinations": "Combination",
    "charts.chart": "Chart",
    "costs": "Cost Group Split Step",
    "engines.engine": "Settings",
    "engines.exllamav3.settings": "ExllamaV3Settings",
    "engines.llama_cpp.settings": "LlamaCppSettings",
    "engines.log": "Checked Remedy",
    "engines.lmdeploy.settings": "LmdeploySettings",
    "engines.memory_part": "MemoryPart",
    "engines.mlx.settings": "MlxSettings",
    "engines.pool": "pool",
    "engines.releases": "ReleaseWarning UntestedWarning",
    "engines.request": "cost",
    "engines.sglang.settings": "SglangSettings",
    "engines.transformers.settings": "TransformersSettings",
    "engines.vllm.settings": "VllmSettings",
    "errors": "KvcalcError MissingExtraError RequestError SourceError "
    "TooLittleMemoryError UnsupportedError",
    "explanation": "ExplainedGroup ExplainedStep Explanation Lever StepRow",
    "formula.expression": "Expression",
    "formula.formula": "Formula",
    "formula.languages.language": "Written",
    "model": "Model",
    "outputs.web.page": "page",
    "outputs.workbook.sheet": "sheet",
    "parameters.stored": "Stored",
    "pools": "Pool",
    "readers": "load read",
    "readers.reading": "Reading",
    "readers.weights": "Weights",
    "records": "Records",
    "units": "AmountWarning MemoryWarning TokensWarning",
}
"""Each module and its public names; it is imported when one of them is first used."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = list(_HOME_OF)

if not TYPE_CHECKING:  # to a type checker, only what is imported above exists

    def __getattr__(name):
        """Import a public name, or say that there is no such name."""
        if name == "__version__":
            from importlib.metadata import version

            found = version("kvcalc")
        elif name in _HOME_OF:
            from importlib import import_module

            found = getattr(import_module(f"kvcalc.{_HOME_OF[name]}"), name)
            if not isinstance(found, type):
                found = import_module("kvcalc.arguments").checking(found)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__():
        """The public names, imported or not."""
        return sorted([*__all__, "__version__"])
