"""Numbers with intervals: estimates, resampling, jackknife, correlations, classification. Knows arrays, not what they measure."""
