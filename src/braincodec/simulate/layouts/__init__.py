"""Small files in the true layout of public data sets, with known signal in them."""
