"""Splits that test generalisation, and checks that a split does not leak."""
