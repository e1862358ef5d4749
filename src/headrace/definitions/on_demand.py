"""On-demand features: plain Python over features and the request, one function offline and online."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.definitions.base import METADATA, NOT_DATA, Versioned
from headrace.definitions.code import code_of
from headrace.definitions.feature import FEATURE_TYPES, FeatureDefinition, infer_feature_type
from headrace.definitions.frozen import FrozenMapping
from headrace.definitions.references import Reference, parse_reference
from headrace.definitions.rules import Rule
from headrace.definitions.span import Span, span
from headrace.errors import StoreError
from headrace.schema import Schema, Type, parse_type

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REQUEST_TIME", "OnDemandFeature", "on_demand"]

REQUEST_TIME = "request_time"
"""The parameter that receives `t`, an aware datetime in UTC; functions read no clock of their own."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class OnDemandFeature(Versioned):
    """One feature computed at the request, made by `hr.on_demand`.

    Attributes:
        inputs: Parameter -> the feature it receives: `"view:feature"`, or the bare name of another on-demand
            feature.
        request: Parameter -> type of the request field of the same name.
        output: The type of the result.
        function: The function; None where the definition was read from the registry without the project's
            code.
        source_hash: sha256 of the function's text; see `headrace.definitions.code`.
        module_hash: sha256 of the bytes of the file it is written in.
        takes_request_time: Whether the function has a parameter `request_time`.
        type: Feature type; inferred when empty.
        rules: What the value has to be.
        cache: Microseconds for which a result may be taken for the same inputs again; None to call each time.
        isolate: Whether serving runs it in a process of its own, which is killed at a request's deadline.
    """

    _: KW_ONLY
    inputs: FrozenMapping[str]
    request: Schema
    output: Type
    source_hash: str
    module_hash: str = field(default="", metadata=METADATA)
    takes_request_time: bool = False
    type: str = field(default="", metadata=METADATA)
    rules: tuple[Rule, ...] = field(default=(), metadata=METADATA)
    cache: Span | None = field(default=None, metadata=METADATA)
    isolate: bool = field(default=False, metadata=METADATA)
    function: Callable[..., Any] | None = field(default=None, compare=False, repr=False, metadata=NOT_DATA)

    kind: ClassVar[str] = "on_demand"
    form: ClassVar[str] = "on_demand"

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 - what may be written; the fields say what is kept
            self,
            name: str,
            *,
            inputs: Mapping[str, str],
            request: Mapping[str, str | Type],
            output: str | Type,
            source_hash: str,
            module_hash: str = "",
            takes_request_time: bool = False,
            function: Callable[..., Any] | None = None,
            type: str = "",  # noqa: A002 - as on aggregations
            rules: Sequence[Rule] = (),
            cache: str | dt.timedelta | Span | None = None,
            isolate: bool = False,
            version: str = "1",
            is_active: bool = True,
            description: str = "",
            owner: str = "",
            tags: Sequence[str] = (),
            written: str = "",
        ) -> None: ...

    def __post_init__(self) -> None:
        """Check inputs, request fields, output and the words."""
        super().__post_init__()
        for name in ("inputs", "request"):
            if not isinstance(getattr(self, name), Mapping):
                raise self.error(
                    f"{name} maps parameters.",
                    asked=getattr(self, name),
                    remedy=f'Give {name}={{"a": "..."}}.',
                )
        self._check_parameters()
        with self.located("output"):
            self._set(output=parse_type(self.output))
        if self.type and self.type not in FEATURE_TYPES:
            raise self.error(
                f"{self.type!r} is not a feature type.", asked=self.type, available=FEATURE_TYPES
            )
        rules = self.sequence("rules")
        for rule in rules:
            if not isinstance(rule, Rule) or rule.column:
                raise self.error(
                    f"{rule!s} is not a rule on a feature's value.",
                    asked=rule,
                    remedy="Make it with hr.rules, without a column.",
                )
        self._set(rules=rules)
        self._check_running()

    def _check_running(self) -> None:
        if not isinstance(self.isolate, bool):
            raise self.error(f"isolate is True or False, not {self.isolate!r}.", asked=self.isolate)
        if self.cache is None:
            return
        with self.located("cache"):
            self._set(cache=span(self.cache))
        if not self.cache:
            raise self.error(
                "cache is nothing.", asked=self.cache, remedy="Give a duration, or leave it out."
            )

    def _check_parameters(self) -> None:
        self._set(inputs=FrozenMapping(self.inputs))
        for parameter, text in self.inputs.items():
            with self.located(f"input {parameter!r}"):
                parse_reference(text)
        for field_ in self.request:
            if not isinstance(field_, str) or not field_.isidentifier():
                raise self.error(
                    f"{field_!r} cannot be a request field.",
                    asked=field_,
                    remedy="Use letters, digits and _.",
                )
        with self.located("request"):
            self._set(request=Schema(self.request))
        both = sorted(set(self.inputs) & set(self.request))
        if both:
            raise self.error(
                f"{both[0]!r} is an input and a request field.",
                asked=both[0],
                remedy="Leave one of them out.",
            )
        if REQUEST_TIME in {*self.inputs, *self.request}:
            raise self.error(
                f"{REQUEST_TIME} is given by Headrace.",
                asked=REQUEST_TIME,
                remedy="Leave it out of inputs and request.",
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself.

        Raises:
            StoreError: The function is not at hand.
        """
        return self._code()(*args, **kwargs)

    def compute(self, values: Mapping[str, Any], t: int) -> Any:
        """The value for one row.

        Args:
            values: Parameter -> value, for all inputs and request fields.
            t: The query instant, microseconds UTC.

        Raises:
            StoreError: The function is not at hand.
        """
        if self.takes_request_time:
            return self._code()(**values, request_time=_EPOCH + dt.timedelta(microseconds=t))
        return self._code()(**values)

    def _code(self) -> Callable[..., Any]:
        if self.function is None:
            raise StoreError(
                f"The code of on-demand feature {self.name!r} (version {self.version}) is not loaded.",
                asked=self.name,
                remedy="The registry keeps no code: open the project's directory, where the function with "
                f"the source hash {self.source_hash} is defined.",
            )
        return self.function

    @property
    def references(self) -> tuple[Reference, ...]:
        """The features it reads, in the order of its parameters' names."""
        return tuple(parse_reference(text) for _, text in sorted(self.inputs.items()))

    @property
    def definition(self) -> FeatureDefinition:
        """The feature as the registry tells of it."""
        read = ", ".join([*self.inputs.values(), *(f"request {name}" for name in self.request)]) or "nothing"
        return FeatureDefinition(
            name=self.name,
            view="",
            version=self.version,
            stem=self.name,
            window=None,
            type=self.output,
            feature_type=self.type or infer_feature_type(self.output),
            description=self.description,
            logic=f"Python function {self.name} of {read}",
            update_frequency="real_time",
            owner=self.owner,
            tags=self.tags,
            dependencies=tuple(dict.fromkeys(self.inputs.values())),
            rules=self.rules,
            is_active=self.is_active,
            written=self.written,
        )


def on_demand(
    *,
    inputs: Mapping[str, str] | None = None,
    request: Mapping[str, str | Type] | None = None,
    output: str | Type = "double",
    name: str | None = None,
    **metadata: Any,
) -> Callable[[Callable[..., Any]], OnDemandFeature]:
    """Make a function an on-demand feature.

    Args:
        inputs: Parameter -> the feature it receives.
        request: Parameter -> the type of the request field it receives.
        output: The type of the result.
        name: The feature's name; the function's by default.
        metadata: version, description (the docstring's first line by default), owner, tags, type, rules,
            is_active; cache, a duration such as "60s" for which a result is taken for equal inputs of the
            same entity again: of functions of request fields and latest values, without `request_time`;
            isolate, whether serving runs it in a process of its own.

    Raises:
        DefinitionError: The function is no plain `def`, or its parameters are not the inputs and request
            fields.
    """

    def make(function: Callable[..., Any]) -> OnDemandFeature:
        feature = OnDemandFeature(
            name or str(getattr(function, "__name__", function)),
            inputs=inputs or {},
            request=request or {},
            output=output,
            source_hash="",
            function=function,
            **metadata,
        )
        return _with_code(feature)

    return make


def _with_code(feature: OnDemandFeature) -> OnDemandFeature:
    function = feature.function
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise feature.error(
            f"{function!r} is not a plain function.", asked=function, remedy="Write it with def."
        )
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise feature.error("the function must return its value.", remedy="Write it without async and yield.")
    _check_parameters(feature, function)
    parameters = inspect.signature(function).parameters
    if REQUEST_TIME in parameters and feature.cache is not None:
        raise feature.error(
            f"what takes {REQUEST_TIME} is new at each instant: it cannot be cached.",
            asked=feature.cache,
            remedy="Leave out cache.",
        )
    try:
        code = code_of(function)
    except (OSError, SyntaxError) as error:
        raise feature.error(
            f"its source cannot be read: {error}.", remedy="Write the function in a file of the project."
        ) from None
    feature._set(  # noqa: SLF001 - it is still being made
        source_hash=code.function,
        module_hash=code.module,
        takes_request_time=REQUEST_TIME in parameters,
        description=feature.description or (inspect.getdoc(function) or "").partition("\n")[0],
    )
    return feature


def _check_parameters(feature: OnDemandFeature, function: FunctionType) -> None:
    parameters = inspect.signature(function).parameters
    wanted = {*feature.inputs, *feature.request}
    for name, each in parameters.items():
        if each.kind not in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}:
            raise feature.error(f"its parameter {name!r} cannot be given by name.", asked=name)
        if name not in wanted and name != REQUEST_TIME:
            raise feature.error(
                f"its parameter {name!r} is neither an input nor a request field.",
                asked=name,
                available=sorted(wanted),
                remedy=f'Give inputs={{"{name}": "view:feature"}} or request={{"{name}": "double"}}.',
            )
    missing = sorted(wanted - set(parameters))
    if missing:
        raise feature.error(
            f"the function has no parameter {missing[0]!r}.",
            asked=missing[0],
            available=list(parameters),
            remedy="Add the parameter, or leave it out of inputs and request.",
        )
