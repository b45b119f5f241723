"""The protocol: one small Typer script per dvc.yaml stage. Reads files, calls assay, writes files."""
