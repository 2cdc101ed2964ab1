"""Assistants of other people, run against a whole gateway that signs people in itself (`make test-clients`)."""
