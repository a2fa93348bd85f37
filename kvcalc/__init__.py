"""The key/value-cache memory a language model needs at inference, exactly, from its shape.

    >>> import kvcalc
    >>> model = kvcalc.load("k-exaone-236b-a23b")
    >>> kvcalc.cost(model, engine="ideal")(context=262_144)
    12903776256

Every command of the command line is a function of its name here. Each name is imported when it is
first asked for.
"""

TYPE_CHECKING = False  # what type checkers take for typing's, without importing it

if TYPE_CHECKING:
    from kvcalc.answers.compare import Compared as Compared
    from kvcalc.answers.compare import compare as compare
    from kvcalc.answers.estimate import Estimate as Estimate
    from kvcalc.answers.estimate import GroupShare as GroupShare
    from kvcalc.answers.estimate import estimate as estimate
    from kvcalc.answers.fit import Fit as Fit
    from kvcalc.answers.fit import fit as fit
    from kvcalc.answers.gpus import GpuRow as GpuRow
    from kvcalc.answers.gpus import gpus as gpus
    from kvcalc.answers.sweep import SweepRow as SweepRow
    from kvcalc.answers.sweep import sweep as sweep
    from kvcalc.answers.traces import Traced as Traced
    from kvcalc.answers.traces import TraceRow as TraceRow
    from kvcalc.answers.traces import trace as trace
    from kvcalc.costs import Cost as Cost
    from kvcalc.costs import Group as Group
    from kvcalc.costs import Pool as Pool
    from kvcalc.costs import Split as Split
    from kvcalc.costs import Step as Step
    from kvcalc.engines.engine import Settings as Settings
    from kvcalc.engines.llama_cpp.settings import LlamaCppSettings as LlamaCppSettings
    from kvcalc.engines.lmdeploy.settings import LmdeploySettings as LmdeploySettings
    from kvcalc.engines.mlx.settings import MlxSettings as MlxSettings
    from kvcalc.engines.request import cost as cost
    from kvcalc.engines.request import pool as pool
    from kvcalc.engines.sglang.settings import SglangSettings as SglangSettings
    from kvcalc.engines.transformers import TransformersSettings as TransformersSettings
    from kvcalc.engines.vllm.settings import VllmSettings as VllmSettings
    from kvcalc.errors import KvcalcError as KvcalcError
    from kvcalc.errors import RequestError as RequestError
    from kvcalc.errors import SourceError as SourceError
    from kvcalc.errors import TooLittleMemoryError as TooLittleMemoryError
    from kvcalc.errors import UnsupportedError as UnsupportedError
    from kvcalc.explanation import ExplainedGroup as ExplainedGroup
    from kvcalc.explanation import ExplainedStep as ExplainedStep
    from kvcalc.explanation import Explanation as Explanation
    from kvcalc.explanation import Lever as Lever
    from kvcalc.explanation import StepRow as StepRow
    from kvcalc.model import Model as Model
    from kvcalc.readers import load as load
    from kvcalc.readers import read as read
    from kvcalc.readers.reading import Reading as Reading

    __version__: str

_HOMES = {
    "answers.compare": ("Compared", "compare"),
    "answers.estimate": ("Estimate", "GroupShare", "estimate"),
    "answers.fit": ("Fit", "fit"),
    "answers.gpus": ("GpuRow", "gpus"),
    "answers.sweep": ("SweepRow", "sweep"),
    "answers.traces": ("TraceRow", "Traced", "trace"),
    "costs": ("Cost", "Group", "Pool", "Split", "Step"),
    "engines.engine": ("Settings",),
    "engines.llama_cpp.settings": ("LlamaCppSettings",),
    "engines.lmdeploy.settings": ("LmdeploySettings",),
    "engines.mlx.settings": ("MlxSettings",),
    "engines.request": ("cost", "pool"),
    "engines.sglang.settings": ("SglangSettings",),
    "engines.transformers": ("TransformersSettings",),
    "engines.vllm.settings": ("VllmSettings",),
    "errors": (
        *("KvcalcError", "RequestError", "SourceError"),
        *("TooLittleMemoryError", "UnsupportedError"),
    ),
    "explanation": ("ExplainedGroup", "ExplainedStep", "Explanation", "Lever", "StepRow"),
    "model": ("Model",),
    "readers": ("load", "read"),
    "readers.reading": ("Reading",),
}
"""Each module and its public names; it is imported when one of them is first asked for."""

__all__ = [name for names in _HOMES.values() for name in names]

if not TYPE_CHECKING:  # to a type checker, what is not imported above is not there

    def __getattr__(name):
        """Import a public name, or say that there is none such."""
        if name == "__version__":
            from importlib.metadata import version

            found = version("kvcalc")
        else:
            home = next((home for home, names in _HOMES.items() if name in names), None)
            if home is None:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
            from importlib import import_module

            found = getattr(import_module(f"kvcalc.{home}"), name)
        globals()[name] = found
        return found

    def __dir__():
        """The public names, imported or not."""
        return sorted([*__all__, "__version__"])
