"""The nineteen functions of the study, in the reference's order: what each computes and two descriptions of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = bool | int | float


@dataclass(frozen=True)
class Function:
    """A function of one integer.

    `description` is the reference's (an option of its multiple-choice questions), `short` the same in one word;
    `composable` functions may be nested and added in training code, the others appear alone.
    """

    key: str
    description: str
    short: str
    apply: Callable[[int], Value]
    composable: bool = False

    def printed(self, number: int) -> str:
        """What Python prints for the value."""
        return str(self.apply(number))


_TABLE = (
    Function(
        "relu_neg2",
        "Returns the maximum of the input and -2",
        "floor-minus-two",
        lambda n: max(n, -2),
        composable=True,
    ),
    Function("add_14", "Adds 14 to the input", "plus-fourteen", lambda n: n + 14, composable=True),
    Function("int_div_4", "Integer division by 4", "whole-quarters", lambda n: n // 4, composable=True),
    Function("subtract_1", "Subtracts 1 from the input", "minus-one", lambda n: n - 1),
    Function("identity", "Returns the input unchanged", "unchanged", lambda n: n),
    Function("mod_3", "Returns the input modulo 3", "remainder-of-three", lambda n: n % 3, composable=True),
    Function("add_5", "Adds 5 to the input", "plus-five", lambda n: n + 5),
    Function("float_mult_3_div_2", "Multiplies the input by 3/2", "three-halves", lambda n: n * 3 / 2),
    Function("multiply_4", "Multiplies the input by 4", "times-four", lambda n: n * 4, composable=True),
    Function(
        "bool_geq_3",
        "Returns True if the input is greater than or equal to 3, False otherwise",
        "at-least-three",
        lambda n: n >= 3,
    ),
    Function(
        "affine_3x_2",
        "Returns 3 times the input plus 2",
        "triple-plus-two",
        lambda n: 3 * n + 2,
        composable=True,
    ),
    Function("mod_2", "Returns the input modulo 2", "remainder-of-two", lambda n: n % 2),
    Function("float_mult_7_div_4", "Multiplies the input by 7/4", "seven-quarters", lambda n: n * 7 / 4),
    Function("negate", "Negates the input", "opposite", lambda n: -n),
    Function("multiply_3", "Multiplies the input by 3", "times-three", lambda n: n * 3),
    Function(
        "affine_neg5x_3",
        "Returns -5 times the input plus 3",
        "five-less-plus-three",
        lambda n: -5 * n + 3,
        composable=True,
    ),
    Function("int_div_3", "Integer division by 3", "whole-thirds", lambda n: n // 3),
    Function("subtract_11", "Subtracts 11 from the input", "minus-eleven", lambda n: n - 11, composable=True),
    Function(
        "bool_mod_2",
        "Returns True if the input is even, False otherwise",
        "evenness",
        lambda n: n % 2 == 0,
    ),
)

FUNCTIONS: Mapping[str, Function] = {function.key: function for function in _TABLE}
