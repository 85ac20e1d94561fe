"""Durability that a user chooses: replicas frozen, gone and promoted; disks; what clients are told."""
