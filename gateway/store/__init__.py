"""Shared short-lived state. Nothing here is ever the only copy of something that matters."""
