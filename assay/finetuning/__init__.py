"""Steering vectors and LoRA at one depth of a frozen model, on cached prefixes; adapters on disk. Knows no study."""
