"""What follows from the facts: bytes, FLOPs, seconds, as pure functions over arrays."""
