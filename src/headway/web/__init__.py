"""The local page and its JSON interface: chapters as data, answered by the rooms below. No arithmetic here."""
