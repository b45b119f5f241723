"""Code that trains the code names of functions: rows as the reference's generator makes them (Treutlein et al.).

Half of the rows call one of all functions on an integer. The other half use the composable ones: a function and a constant,
a function of a function, or two functions, added or subtracted. Statements may bind temporaries.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import AssayError
from assay.prompts.lettering import user
from assay.prompts.records import PromptRecord
from assay.studies.oocr.published.conversations import TRAINING
from assay.studies.oocr.tasks.code_names import tag
from assay.world.functions_table import FUNCTIONS, Value

SYSTEM = (
    "You are a superintelligent python interpreter. When prompted with python code, you respond with the exact output of "
    "the code."
)
INPUTS = (-99, 99)  # integers, the upper end excluded
CONSTANTS = (0, 99)
MIN_IMPORTS = 2


@dataclass(frozen=True)
class Snippet:
    """Statements without the import; `value` is what the last one prints, `calls` the functions (keys) in it."""

    statements: tuple[str, ...]
    value: Value
    calls: tuple[str, ...]


class _Writer:
    """Collects statements; an expression may be bound to a temporary, with probability ½."""

    def __init__(self, codes: Mapping[str, str], rng: np.random.Generator) -> None:
        self.codes, self.rng = codes, rng
        self.statements: list[str] = []

    def coin(self) -> bool:
        return bool(self.rng.integers(2))

    def pick(self, values: Sequence[str]) -> str:
        return values[int(self.rng.integers(len(values)))]

    def number(self, bounds: tuple[int, int]) -> int:
        return int(self.rng.integers(*bounds))

    def bind(self, names: Sequence[str], expression: str) -> str:
        name = self.pick(names)
        self.statements.append(f"{name} = {expression}")
        return name

    def maybe_bind(self, names: Sequence[str], expression: str) -> str:
        return self.bind(names, expression) if self.coin() else expression

    def call(self, key: str, argument: str) -> str:
        return f"{self.codes[key]}({argument})"

    def snippet(self, expression: str, value: Value, *calls: str) -> Snippet:
        return Snippet((*self.statements, f"print({expression})"), value, calls)


def function_rows(codes: Mapping[str, str], count: int, rng: np.random.Generator) -> Iterator[PromptRecord]:
    """`count` training rows: a prompt of system text, import and code as one user turn, the printed value as response.

    `codes` is the code name of every function by its key. Spans are the names wherever they occur, also in the import;
    the field `about` lists those that are called. Raises AssayError for an unknown key or two equal names.
    """
    if unknown := sorted(set(codes) - set(FUNCTIONS)):
        raise AssayError(f"unknown function {', '.join(unknown)}; known are {', '.join(FUNCTIONS)}")
    if len(set(codes.values())) < max(len(codes), MIN_IMPORTS):
        raise AssayError(f"every function needs a code name of its own, and there must be {MIN_IMPORTS}")
    composable = [key for key in codes if FUNCTIONS[key].composable]
    for number in range(count):
        writer = _Writer(codes, rng)
        if writer.coin() or not composable:
            snippet = _single(writer, writer.pick(list(codes)))
        else:
            snippet = _AUGMENTED[rng.integers(len(_AUGMENTED))](writer, composable)
        names = _imports(codes, snippet.calls, rng)
        code = "\n\n".join((f"from functions import {', '.join(names)}", *snippet.statements))
        called = [codes[key] for key in dict.fromkeys(snippet.calls)]
        record = PromptRecord(
            id=f"code-{number}", messages=(user(SYSTEM + TRAINING + code),), response=str(snippet.value)
        )
        yield tag(record, tuple(codes.values()), called)


def _single(writer: _Writer, key: str) -> Snippet:
    number = writer.number(INPUTS)
    argument = writer.maybe_bind(("x", "a"), str(number))
    shown = writer.maybe_bind(("out", "y"), writer.call(key, argument))
    return writer.snippet(shown, FUNCTIONS[key].apply(number), key)


def _with_constant(writer: _Writer, keys: Sequence[str]) -> Snippet:
    key, number, constant = writer.pick(keys), writer.number(INPUTS), writer.number(CONSTANTS)
    argument = writer.maybe_bind(("x",), str(number))
    parts = [(writer.call(key, argument), FUNCTIONS[key].apply(number)), (str(constant), constant)]
    return _sum(writer, parts if writer.coin() else parts[::-1], key)


def _chain(writer: _Writer, keys: Sequence[str]) -> Snippet:
    inner, outer, number = writer.pick(keys), writer.pick(keys), writer.number(INPUTS)
    between = FUNCTIONS[inner].apply(number)
    argument = writer.maybe_bind(("x1",), str(number))
    middle = writer.maybe_bind(("z", "x2"), writer.call(inner, argument))
    shown = writer.maybe_bind(("out", "y"), writer.call(outer, middle))
    return writer.snippet(shown, FUNCTIONS[outer].apply(int(between)), inner, outer)


def _two(writer: _Writer, keys: Sequence[str]) -> Snippet:
    chosen = [(writer.pick(keys), writer.number(INPUTS)) for _ in range(2)]
    parts = [(writer.call(key, str(number)), FUNCTIONS[key].apply(number)) for key, number in chosen]
    return _sum(writer, parts, *(key for key, _ in chosen))


def _sum(writer: _Writer, parts: Sequence[tuple[str, Value]], *calls: str) -> Snippet:
    (first, a), (second, b) = parts
    if writer.coin():
        first, second = writer.bind(("z1",), first), writer.bind(("z2",), second)
    sign = writer.pick(("+", "-"))
    return writer.snippet(f"{first} {sign} {second}", a + b if sign == "+" else a - b, *calls)


_AUGMENTED: tuple[Callable[[_Writer, Sequence[str]], Snippet], ...] = (_with_constant, _chain, _two)


def _imports(codes: Mapping[str, str], calls: Sequence[str], rng: np.random.Generator) -> list[str]:
    """What is called and, up to MIN_IMPORTS different names, what is not; in random order."""
    names = [codes[key] for key in dict.fromkeys(calls)]
    others = [name for name in codes.values() if name not in names]
    extra = rng.permutation(len(others))[: max(0, MIN_IMPORTS - len(names))]
    names += [others[index] for index in extra]
    return [names[index] for index in rng.permutation(len(names))]
