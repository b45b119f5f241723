"""The preference study: what a model would rather do, and whether its activations say so."""
