"""Random factors of ties that hang on the tie, the number of the draw and the seed, and on nothing else.

They are made by counting and not by drawing in turn: SplitMix64's mixing (Steele, Lea and Flood 2014, Fast splittable
pseudorandom number generators, OOPSLA) of a hash of the tie's names with the seed and the number of the draw.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl

from weaponized_interdependence.network import Floats

Bits = npt.NDArray[np.uint64]


def tie_ids(names: pl.DataFrame) -> Bits:
    """A number for every row of texts that hangs on nothing but those texts, on any machine: 64 bits."""
    found = np.zeros(names.height, dtype=np.uint64)
    for column in names.get_columns():
        known = column.unique().sort()
        hashed = [int.from_bytes(hashlib.blake2b(t.encode(), digest_size=8).digest(), "little") for t in known]
        place = column.cast(pl.Enum(known)).to_physical().to_numpy()
        found = _mix(found + np.array(hashed, dtype=np.uint64)[place])
    return found


def factors(ids: Bits, draw: int, *, noise: float, missing: float, seed: int) -> Floats:
    """What each tie is multiplied by in one draw; the mean over draws is one."""
    from scipy.special import ndtri

    made = np.exp(noise * ndtri(uniforms(ids, draw, 0, seed)) - noise**2 / 2) if noise else np.ones(len(ids))
    if missing:
        made = np.where(uniforms(ids, draw, 1, seed) < missing, 0.0, made / (1 - missing))
    return np.asarray(made, dtype=np.float64)


def uniforms(ids: Bits, draw: int, stream: int, seed: int) -> Floats:
    """One number above 0 and below 1 for each tie, from the tie, the draw, the stream and the seed alone."""
    key = _mix(_mix(np.array([seed], dtype=np.uint64)) + np.uint64(2 * draw + stream))
    return ((_mix(_mix(ids) ^ key) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mix(bits: Bits) -> Bits:
    """SplitMix64: step and finaliser, modulo 2^64."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
