"""The room of the economy: ledger, market, agents, and what each of their decisions costs."""
