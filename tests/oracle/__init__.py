"""The judge: what a filter means, worked out in plain Python from the pages, sharing no code with the product."""
