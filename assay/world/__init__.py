"""The embedded default: a synthetic world with known ground truth, and the organism trained on it."""
