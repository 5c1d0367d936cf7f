"""Pages: one HTML file each, with pictures, that asks for nothing from elsewhere."""

from dagrun.stages.pages.card import model_card
from dagrun.stages.pages.profile import profile_page

__all__ = ["model_card", "profile_page"]
