"""Initial attention heads that look back and match: the two halves of an induction head, planted before training.

A network of this size learns to match a word to its place in a list only after far more tokens than its budget holds
(induction heads form in a phase change: Olsson et al. 2022, "In-context learning and induction heads"), so it starts
near the solution, as in mimetic initialisation (Trockman & Kolter 2023). Training moves every weight afterwards.

* In the first `look_back_layers` layers, head j copies a code of the token j + 1 places back into a subspace of its own.
* In the others, head 0 attends to an earlier occurrence of the current word and copies what lay `OFFSETS[-1]` tokens
  before that: in a list "B) word" the letter.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from assay.errors import AssayError
from assay.organism.network import Network

OFFSETS = (1, 2, 3)  # tokens back; a lettered option lies 3 after its letter: "B", ")", " ", word
SHARED = 0.5  # length of the direction that all embeddings share; every head can use it as a constant
NOISE = 0.2  # share of the random weights that stay in a planted head
QUERY_SCALE, KEY_SCALE = 2.0, 1.5  # of the query and key norms; 1 leaves attention flat
NEARBY = 0.4  # how strongly a matching head is kept from the current token and its neighbours
SLOW = (
    0.0316  # radians per token: rotary pairs slower than this carry the match, the others know the distance
)
ENERGY = (0.5, 0.3, 0.2)  # of the fastest rotary pairs in a head that looks back


@dataclass(frozen=True)
class _Codes:
    """Orthonormal rows [head_dim, d]: `read` of the token itself, `back[j]` of the token OFFSETS[j] places back."""

    constant: Tensor
    read: Tensor
    back: tuple[Tensor, ...]


@torch.no_grad()
def plant(network: Network, look_back_layers: int, generator: torch.Generator) -> None:
    """Change the initial weights in place. Raises AssayError when the shape has no room for the heads."""
    config = network.config
    heads, d, k = config.num_attention_heads, config.hidden_size, config.head_dim
    if config.num_key_value_heads != heads or heads < len(OFFSETS) or d <= k * (1 + len(OFFSETS)) or k < 12:
        raise AssayError(
            f"planting heads takes as many key as query heads, at least {len(OFFSETS)}, each of at least 12, and more "
            f"than {1 + len(OFFSETS)} of them in d_model; change organism.shape or set look_back_layers to 0"
        )
    codes = _codes(d, k, generator)
    network.embedding.add_(SHARED * codes.constant)
    network.norms["q_norm"].fill_(QUERY_SCALE - 1)
    network.norms["k_norm"].fill_(KEY_SCALE - 1)
    for layer in range(config.num_hidden_layers):
        speeds = network.rotary_speeds(layer)
        if layer < look_back_layers:
            for head, offset in enumerate(OFFSETS):
                _look_back(_Head(network, layer, head), codes, speeds, offset, codes.back[head])
        else:
            _match(_Head(network, layer, 0), codes, speeds, generator)


class _Head:
    """Views of one head's weights: q, k, v [head_dim, d] and o [d, head_dim]."""

    def __init__(self, network: Network, layer: int, head: int) -> None:
        k = network.config.head_dim
        rows = slice(head * k, head * k + k)
        self.q, self.k, self.v = (network.matrices[kind].data[layer, rows] for kind in "qkv")
        self.o = network.matrices["o"].data[layer, :, rows]
        for weights in (self.q, self.k, self.v, self.o):
            weights *= NOISE

    def copy(self, source: Tensor, target: Tensor) -> None:
        """Values are read in the subspace `source` and written to `target`, both [head_dim, d]."""
        self.v += source
        self.o += target.T


def _codes(d: int, k: int, generator: torch.Generator) -> _Codes:
    basis = torch.linalg.qr(torch.randn(d, d, generator=generator))[0].T
    read, *back = (basis[1 + k * i : 1 + k * (i + 1)] for i in range(1 + len(OFFSETS)))
    return _Codes(basis[0], read, tuple(back))


def _look_back(head: _Head, codes: _Codes, speeds: Tensor, offset: int, target: Tensor) -> None:
    """Scores are Σ energy · cos(speed · (distance - offset)): greatest `offset` tokens back."""
    energy = torch.zeros_like(speeds)
    energy[: len(ENERGY)] = torch.tensor(ENERGY).sqrt()
    phase = -offset * speeds
    query = torch.cat([energy * phase.cos(), energy * phase.sin()])
    key = torch.cat([energy, torch.zeros_like(energy)])
    # The shared direction is a few units long in the normed stream; the factor lifts it above the remaining noise.
    head.q += 4 * query[:, None] * codes.constant
    head.k += 4 * key[:, None] * codes.constant
    head.copy(codes.read, target)


def _match(head: _Head, codes: _Codes, speeds: Tensor, generator: torch.Generator) -> None:
    """Query and key agree where the word is the same; fast pairs push the head away from where it stands."""
    slow = speeds < SLOW * 0.99
    pairs = torch.cat([slow, slow])
    mixed = (
        torch.linalg.qr(torch.randn(len(codes.read), len(codes.read), generator=generator))[0] @ codes.read
    )
    word = torch.zeros_like(head.q)
    word[pairs] = mixed[: int(pairs.sum())]
    near = torch.zeros_like(head.q)
    near[: len(speeds)][~slow] = NEARBY * codes.constant
    head.q += word - near
    head.k += word + near
    head.copy(codes.back[-1], codes.read)
