"""The room of traffic: traces, generators, caches and engines that serve them minute by minute."""
