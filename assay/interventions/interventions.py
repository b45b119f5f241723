"""Interventions as values: an operator on a direction or on units, a coefficient, and the tokens it touches."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from assay.errors import AssayError
from assay.models.architecture import Architecture
from assay.models.sites import Site
from assay.prompts.positions import parse_written

Operator = Literal["add", "ablate", "cap", "scale_neurons", "shift_heads"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
Bound = Literal["floor", "ceiling"]
_NEEDS_SITE: dict[Operator, Site] = {"scale_neurons": "mlp_neurons", "shift_heads": "heads"}


@dataclass(frozen=True, eq=False)
class Intervention:
    """One change of the tensor h [batch, seq, width] of `site` at `layer`, at the tokens of `scope`, an expression of
    `assay.prompts.positions`.

    With v the `vector`, v̂ its unit vector and c the `coefficient`:
        add            h + c·v                                     v [width]
        ablate         h − c·(h·v̂)v̂                               v [width]; c = 1 takes the direction out
        cap            h + c·max(0, threshold − h·v̂)v̂             v [width]; `bound` "ceiling" takes the minimum instead
        scale_neurons  c·h at the `units` (MLP neurons)            no vector
        shift_heads    h + c·v at the `units` (attention heads)    v [units, head_dim]
    c = 0 (scale_neurons: c = 1) changes nothing, bit for bit. Arithmetic is float32 or wider. A `vector` that requires
    gradients gets them.
    """

    operator: Operator
    site: Site
    layer: int
    coefficient: float
    scope: str = "all"
    vector: torch.Tensor | None = None
    units: tuple[int, ...] = ()
    threshold: float = 0.0
    bound: Bound = "floor"

    def __post_init__(self) -> None:
        parse_written(self.scope)
        if self.operator not in OPERATORS:
            raise AssayError(f"unknown operator {self.operator!r}; choose one of {', '.join(OPERATORS)}")
        site = _NEEDS_SITE.get(self.operator)
        if site is not None and self.site != site:
            raise AssayError(f"{self.operator} works at the site {site}, not at {self.site}")
        if site is not None and not self.units:
            raise AssayError(f"{self.operator} needs `units`; give at least one")
        if (self.vector is None) != (self.operator == "scale_neurons"):
            raise AssayError(
                f"{self.operator} {'takes no' if self.vector is not None else 'needs a'} `vector`"
            )
        if self.vector is not None:
            length = float(self.vector.detach().double().norm())
            if not math.isfinite(length) or (length == 0 and self.operator in ("ablate", "cap")):
                raise AssayError(
                    f"{self.operator} needs a finite direction; the norm of this vector is {length}"
                )

    @property
    def is_noop(self) -> bool:
        """Whether it changes nothing by definition."""
        return self.coefficient == (1.0 if self.operator == "scale_neurons" else 0.0)


def check_intervention(intervention: Intervention, architecture: Architecture) -> None:
    """Raise AssayError when the model has no such layer or unit, or the vector is of another width."""
    architecture.block(intervention.layer)
    width = architecture.width(intervention.site)
    expected: tuple[int, ...] = (width,)
    if intervention.units:
        n_units = architecture.n_heads if intervention.operator == "shift_heads" else width
        wrong = [unit for unit in intervention.units if not 0 <= unit < n_units]
        if wrong:
            raise AssayError(f"{intervention.operator}: unit {wrong[0]} of {n_units}; units count from 0")
        if len(set(intervention.units)) < len(intervention.units):
            raise AssayError(f"{intervention.operator}: a unit is given twice")
        expected = (len(intervention.units), architecture.head_dim)
    if intervention.vector is not None and tuple(intervention.vector.shape) != expected:
        raise AssayError(
            f"{intervention.operator} at {intervention.site} needs a vector of shape {expected}, found "
            f"{tuple(intervention.vector.shape)}; was it made for another model?"
        )


def apply(intervention: Intervention, rows: torch.Tensor, head_dim: int) -> torch.Tensor:
    """`rows` [n, width] of the site's tensor, changed: a new tensor of their dtype."""
    wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
    changed = _changed(intervention, wide, head_dim)
    return changed.to(rows.dtype)


def _changed(intervention: Intervention, rows: torch.Tensor, head_dim: int) -> torch.Tensor:
    c, operator = float(intervention.coefficient), intervention.operator
    if operator == "scale_neurons":
        units = torch.tensor(intervention.units, device=rows.device)
        return rows.index_copy(1, units, c * rows[:, units])
    assert intervention.vector is not None
    vector = intervention.vector.to(rows)
    if operator == "add":
        return rows + c * vector
    if operator == "shift_heads":
        units = torch.tensor(intervention.units, device=rows.device)
        heads = rows.reshape(len(rows), -1, head_dim)  # [n, n_heads, head_dim]
        return heads.index_add(1, units, (c * vector).expand(len(rows), -1, -1)).flatten(1)
    unit = vector / vector.norm()
    projection = (rows @ unit)[:, None]
    gap = -projection if operator == "ablate" else intervention.threshold - projection
    if operator == "cap":
        gap = gap.clamp(min=0) if intervention.bound == "floor" else gap.clamp(max=0)
    changed: torch.Tensor = rows + c * gap * unit
    return changed
