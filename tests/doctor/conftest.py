"""The clinic for every test here."""

from tests.doctor.clinic import clinic, ward

__all__ = ["clinic", "ward"]
