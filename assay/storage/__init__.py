"""Files that are whole or not there: text, JSON, CSV, HDF5, folders, journals, scratch. Knows nothing of models or studies."""
