"""The first token of a text, where many models put activations of enormous norm: pooled with others, it drowns them."""

from assay.prompts.positions import parse_position


def pools_first_token(tokens: str, pooling: str) -> bool:
    """Whether a mean or a maximum over the tokens takes in the first one of every record."""
    position = parse_position(tokens)
    if pooling not in ("mean", "max"):
        return False
    index = position.index
    starts = isinstance(index, slice) and not index.start and range(2)[index] != range(0)
    return position.part == "all" or (position.part == "prompt" and starts)


def warning(tokens: str, pooling: str) -> str:
    """One line that says so, and the cure."""
    return (
        f"warning: {tokens} with {pooling} pools the first token of every text, whose activations have norms far from all others' "
        "in many models; read 'prompt[1:]' to leave it out (prompt[2:] where BOS and a further token come first)"
    )
