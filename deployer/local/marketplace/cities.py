"""Where the demo's listings are: real cities, with their coordinates, a size and a season."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Season = Literal["summer", "winter", "even"]

# Demand by month, January first; 1 is the city's average.
SEASONS: dict[Season, tuple[float, ...]] = {
    "summer": (0.5, 0.5, 0.7, 0.9, 1.1, 1.5, 1.8, 1.8, 1.2, 0.8, 0.5, 0.7),
    "winter": (1.9, 1.9, 1.6, 0.8, 0.4, 0.5, 0.9, 0.9, 0.5, 0.4, 0.7, 1.5),
    "even": (0.8, 0.8, 1.0, 1.1, 1.1, 1.1, 1.0, 1.0, 1.1, 1.1, 0.9, 1.0),
}


@dataclass(frozen=True)
class City:
    """A city of the marketplace. `size` is relative, `price` a usual night's price in its currency."""

    name: str
    state: str
    latitude: float
    longitude: float
    currency: str
    size: int
    price: int
    season: Season


CITIES = (
    City("New York", "New York", 40.7128, -74.0060, "USD", 100, 210, "even"),
    City("Austin", "Texas", 30.2672, -97.7431, "USD", 55, 150, "even"),
    City("Miami", "Florida", 25.7617, -80.1918, "USD", 60, 180, "winter"),
    City("San Diego", "California", 32.7157, -117.1611, "USD", 45, 190, "summer"),
    City("Chicago", "Illinois", 41.8781, -87.6298, "USD", 45, 140, "summer"),
    City("New Orleans", "Louisiana", 29.9511, -90.0715, "USD", 35, 135, "even"),
    City("Denver", "Colorado", 39.7392, -104.9903, "USD", 30, 130, "even"),
    City("Aspen", "Colorado", 39.1911, -106.8175, "USD", 8, 420, "winter"),
    # Two of one name: only cityname and state together name a place.
    City("Portland", "Oregon", 45.5152, -122.6784, "USD", 22, 115, "summer"),
    City("Portland", "Maine", 43.6591, -70.2568, "USD", 10, 145, "summer"),
    City("Paris", "Île-de-France", 48.8566, 2.3522, "EUR", 80, 145, "even"),
    City("Barcelona", "Catalunya", 41.3874, 2.1686, "EUR", 60, 120, "summer"),
    City("Lisboa", "Lisboa", 38.7223, -9.1393, "EUR", 45, 95, "summer"),
    City("Berlin", "Berlin", 52.5200, 13.4050, "EUR", 45, 90, "even"),
    City("Roma", "Lazio", 41.9028, 12.4964, "EUR", 45, 110, "even"),
    City("München", "Bayern", 48.1351, 11.5820, "EUR", 28, 125, "even"),
    City("Nice", "Provence-Alpes-Côte d'Azur", 43.7102, 7.2620, "EUR", 20, 130, "summer"),
    City("Innsbruck", "Tirol", 47.2692, 11.4041, "EUR", 10, 140, "winter"),
    City("London", "England", 51.5072, -0.1276, "GBP", 90, 150, "even"),
    City("Edinburgh", "Scotland", 55.9533, -3.1883, "GBP", 30, 120, "summer"),
    City("Brighton", "England", 50.8225, -0.1372, "GBP", 14, 110, "summer"),
    City("Cardiff", "Wales", 51.4816, -3.1791, "GBP", 8, 80, "even"),
)

STREETS = {
    "USD": ("Main Street", "Oak Avenue", "2nd Street", "Mission Boulevard", "Elm Court", "O'Connor Lane"),
    "EUR": ("Rua do Sol", "Rue de l'Église", "Hauptstraße", "Via Roma", "Carrer de la Mar", "Königsallee"),
    "GBP": ("High Street", "Church Road", "King's Mews", "Station Approach", "Queen's Terrace"),
}

# The middle of each state of the USA, and of the District of Columbia: latitude, longitude, in tenths of a
# degree. Listings that tell no coordinates are put there.
STATE_CENTRES = {
    "AL": (32.8, -86.8), "AK": (64.2, -152.5), "AZ": (34.3, -111.7), "AR": (34.8, -92.4),
    "CA": (37.2, -119.5), "CO": (39.0, -105.5), "CT": (41.6, -72.7), "DE": (39.0, -75.5),
    "DC": (38.9, -77.0), "FL": (28.6, -82.4), "GA": (32.6, -83.4), "HI": (20.3, -156.4),
    "ID": (44.4, -114.6), "IL": (40.0, -89.2), "IN": (39.9, -86.3), "IA": (42.1, -93.5),
    "KS": (38.5, -98.4), "KY": (37.5, -85.3), "LA": (31.1, -92.0), "ME": (45.4, -69.2),
    "MD": (39.0, -76.8), "MA": (42.3, -71.8), "MI": (44.3, -85.4), "MN": (46.3, -94.3),
    "MS": (32.7, -89.7), "MO": (38.4, -92.5), "MT": (47.1, -109.6), "NE": (41.5, -99.8),
    "NV": (39.3, -116.6), "NH": (43.7, -71.6), "NJ": (40.2, -74.7), "NM": (34.4, -106.1),
    "NY": (42.9, -75.5), "NC": (35.6, -79.4), "ND": (47.5, -100.5), "OH": (40.3, -82.8),
    "OK": (35.6, -97.5), "OR": (43.9, -120.6), "PA": (40.9, -77.8), "RI": (41.7, -71.6),
    "SC": (33.9, -80.9), "SD": (44.4, -100.2), "TN": (35.9, -86.4), "TX": (31.5, -99.3),
    "UT": (39.3, -111.7), "VT": (44.1, -72.7), "VA": (37.5, -78.9), "WA": (47.4, -120.4),
    "WV": (38.6, -80.6), "WI": (44.6, -90.0), "WY": (43.0, -107.6),
}  # fmt: skip
