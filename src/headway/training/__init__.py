"""Decide what to train and how: step time and memory, pipeline schedules, reinforcement learning, lifetime budget."""
