"""Reading activations and storing them: capture, pooling, resumable extraction, the HDF5 store. Knows no labels."""
