"""Benchmarks: the peers, the codec floor and this program side by side. Run `python -m tests.benchmarks`.

A benchmark is no test: nothing here is collected by pytest, and nothing here fails for being slow.
"""
