"""The benchmark: ratios measured side by side in one run, against what a person would write, and against others."""
