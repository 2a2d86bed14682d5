"""What is known: units, tables of models and hardware, prices. No equation of time or money."""
