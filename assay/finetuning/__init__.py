"""Fine-tuning at one depth of a frozen model: steering vectors and LoRA on cached prefixes."""
