"""Where a model takes its input."""

import torch

from assay.models.architecture import Architecture


def input_device(architecture: Architecture) -> torch.device:
    """Where token ids have to be: the device of the embedding (the CPU where its weights are offloaded)."""
    device = next(architecture.embed.parameters()).device
    return torch.device("cpu") if device.type == "meta" else device
