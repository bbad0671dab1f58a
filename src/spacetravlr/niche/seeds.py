"""Random numbers of a network: from seed, gene and cluster alone."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def seed_sequence(seed: int, gene: str, cluster: int) -> np.random.SeedSequence:
    """Return the source of all random numbers of one gene in one cluster."""
    digest = hashlib.sha256(gene.encode()).digest()
    words = tuple(int.from_bytes(digest[at : at + 4], "little") for at in (0, 4))
    return np.random.SeedSequence(seed, spawn_key=(*words, cluster))


def torch_generator(sequence: np.random.SeedSequence) -> torch.Generator:
    """Return a generator of torch, on the CPU; the state of the process is not touched."""
    generator = torch.Generator(device="cpu")
    # torch takes signed 64-bit seeds
    generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return generator
