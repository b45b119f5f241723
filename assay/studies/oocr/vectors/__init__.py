"""Naive, learned and natural vectors of one run set beside each other: tables, figures, metrics."""
