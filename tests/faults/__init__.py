"""Faults injected into real trainings: signals, disks, damage, each at a random moment. `just faults` runs them all."""
