"""
Seeds Python's generators of random numbers anew in each activation, for launchers that do not do it themselves, such as
that of OpenWhisk's Python runtime. Nothing happens unless each activation is a clone (HYPERSKELETON_ISOLATION).

Both files of this folder go into a folder of site-packages of the image; hyperskeleton_reseed.pth has it imported.

The first read of standard input that brings something seeds `random`, and `numpy.random` where that is loaded. Generators
that a program has made itself (random.Random, numpy.random.default_rng) stay as they are.
"""
import io
import os
import sys


def reseed():
    """Seeds what is loaded by now from the kernel's random numbers."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


class _Input(io.FileIO):
    """Standard input; what reads it through sys.stdin ends up here."""

    _has_reseeded = False

    def readinto(self, buffer):
        count = super().readinto(buffer)
        if count and not self._has_reseeded:
            self._has_reseeded = True
            reseed()
        return count


if os.environ.get("HYPERSKELETON_ISOLATION") == "activation" and sys.stdin is not None:
    sys.stdin = io.TextIOWrapper(
        io.BufferedReader(_Input(0, "rb", closefd=False)),
        encoding=sys.stdin.encoding,
        errors=sys.stdin.errors,
    )
