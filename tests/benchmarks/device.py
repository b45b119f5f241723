"""Where benchmarks run: on the GPU if there is one, with a model and batches of a size that fills it."""

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = DEVICE.type == "cuda"
TOKEN_BUDGET = (
    16384 if ON_GPU else 2048
)  # padded tokens in a batch: what `stages.extract` takes on such a machine


def wait() -> None:
    """Until the device has done all that was asked of it: work on a GPU goes on behind Python's back."""
    if ON_GPU:
        torch.cuda.synchronize()
