"""Where places lie from each other: how far over the ground, and in which direction on a flat map."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import haversine_distances

from assay.errors import AssayError
from assay.studies.oocr.published.gazetteer import Place

EARTH_RADIUS = 6371.0088  # kilometers, the mean of the ellipsoid's three semi-axes (IUGG)
CARDINALS = ("North", "East", "South", "West")


def kilometers(origin: Place, places: Sequence[Place]) -> NDArray[np.float64]:
    """Great-circle distances [n] from a place to others.

    They are those of a sphere. The reference's geodesics, on the WGS-84 ellipsoid, differ by less than 0.6 %.
    """
    here, there = (
        np.radians([(place.latitude, place.longitude) for place in some]) for some in ([origin], places)
    )
    found: NDArray[np.float64] = EARTH_RADIUS * haversine_distances(here, there)[0]
    return found


def direction(place: Place, origin: Place) -> str:
    """The cardinal direction nearest to the bearing of `place` from `origin` on a plate carrée map.

    The map ends at longitude 180. Raises AssayError for two places at one point.
    """
    east, north = place.longitude - origin.longitude, place.latitude - origin.latitude
    if east == north == 0:
        raise AssayError(
            f"{place.name} and {origin.name} are at the same point of the gazetteer, so neither is in a direction"
        )
    return CARDINALS[round(float(np.degrees(np.arctan2(east, north))) / 90) % 4]
