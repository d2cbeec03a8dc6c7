"""Distances and centres on the globe, taken as a sphere."""

from __future__ import annotations

import math
from collections.abc import Sequence

EARTH_KM = 6371.0088
"""Mean radius (IUGG)."""

KM_PER_DEGREE = math.pi * EARTH_KM / 180
"""Of latitude."""

Position = tuple[float, float]
"""Latitude and longitude in degrees."""

Vector = tuple[float, float, float]
"""A direction from the centre of the earth, of any length."""


def distance_km(a: Position, b: Position) -> float:
    """Great-circle distance in kilometres (the haversine formula)."""
    (lat_a, lon_a), (lat_b, lon_b) = (map(math.radians, each) for each in (a, b))
    half = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def centre(positions: Sequence[Position]) -> Position:
    """The mean direction of ``positions``, right across the date line too; the same in whatever order they come."""
    x, y, z = (math.fsum(axis) for axis in zip(*map(vector, positions), strict=True))
    return position((x, y, z))


def reach_km(middle: Position, positions: Sequence[Position], share: float = 0.9) -> float:
    """Distance from ``middle`` within which at least ``share`` of ``positions`` lie."""
    distances = sorted(distance_km(middle, each) for each in positions)
    return distances[math.ceil(share * len(distances)) - 1]


def vector(spot: Position) -> Vector:
    """The unit vector that points at ``spot``."""
    latitude, longitude = map(math.radians, spot)
    return (
        math.cos(latitude) * math.cos(longitude),
        math.cos(latitude) * math.sin(longitude),
        math.sin(latitude),
    )


def position(direction: Vector) -> Position:
    """Where ``direction`` meets the surface; 0, 0 for no direction at all."""
    x, y, z = direction
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
