"""Faults injected into real runs: signals, disks, damage, each at a random moment. `just faults` runs them all."""
