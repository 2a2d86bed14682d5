"""Decide how to serve: plans, curves, fast and slow modes, fleets."""
