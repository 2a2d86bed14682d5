"""What was measured in public, beside what the physics says of the same setup.

Rows of published benchmarks become setups, setups become predictions with an interval and a grade, and the errors
are summed up by source, model, chip, engine, concurrency and context. Nothing here is a model of a machine: the
predictions come from the rooms below, the constants from :mod:`headway.facts.calibration`.
"""
