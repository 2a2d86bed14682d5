"""The economy of agents: ledger, market, agents, and what each decision costs.

The ledger is a state machine with one writer: commands in, a chained log out, every balance rebuilt from it.
"""
