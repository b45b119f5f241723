"""Directions, and writing them into activations: what is added where, at which tokens. Knows nothing of training or of questions."""
