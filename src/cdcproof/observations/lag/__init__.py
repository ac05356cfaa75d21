"""How far sink, source and heartbeat are behind."""
