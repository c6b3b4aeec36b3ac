"""What proves the method and is not needed to use it: comparisons, trials, drawn data."""
