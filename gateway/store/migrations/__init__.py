"""The schema's history. Each step is a file in `versions/`, and none is changed once it was released."""
