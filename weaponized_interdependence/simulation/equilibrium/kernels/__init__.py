"""Loops compiled by numba; import them inside the function that calls them."""
