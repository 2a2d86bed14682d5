"""An economy of agents: ledger, market, agents, and what each of their decisions costs on a rack."""
