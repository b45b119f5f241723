"""Where in a decoder block activations are: names alone, for those who need no model."""

from typing import Literal, get_args

Site = Literal["resid", "attn_out", "mlp_out", "mlp_neurons", "heads"]
SITES: tuple[Site, ...] = get_args(Site)
