"""What every command line shares: errors as one line, models, settings, progress, tracking."""
