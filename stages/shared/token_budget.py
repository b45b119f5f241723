"""How many tokens a batch holds where the command line does not say."""

TOKENS_CPU, TOKENS_CUDA = 2048, 16384
BATCH_TOKENS_HELP = f"padded tokens in a batch ({TOKENS_CPU} on a CPU, {TOKENS_CUDA} on a GPU)"


def token_budget(batch_tokens: int | None) -> int:
    """Padded tokens in a batch: those asked for, else what suits the device."""
    import torch

    if batch_tokens is not None:
        return batch_tokens
    return TOKENS_CUDA if torch.cuda.is_available() else TOKENS_CPU
