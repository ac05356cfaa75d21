"""Reconciliation: are the rows of source and target the same?"""
