"""What the console knows, as a pure read model: events in, names of changed parts of the page out."""

from services.console.model.breaches import OpenBreaches
from services.console.model.headline import Headline, Tone, headline_of
from services.console.model.incidents import Incident, Incidents
from services.console.model.pages import Delivery, Page, Pages
from services.console.model.read_model import ReadModel, Shape
from services.console.model.series import CheckState, Series, SeriesKey

__all__ = [
    "CheckState",
    "Delivery",
    "Headline",
    "Incident",
    "Incidents",
    "OpenBreaches",
    "Page",
    "Pages",
    "ReadModel",
    "Series",
    "SeriesKey",
    "Shape",
    "Tone",
    "headline_of",
]
