"""What a token costs and what its price says: sheets, cost floors, and the posterior of a model's size."""
