"""Emergencies: what may be lost is preserved first, then the pipeline is halted; nothing is repaired."""
