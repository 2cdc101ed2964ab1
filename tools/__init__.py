"""The tools that assistants see: one function each, one file a family (how: `gateway/tool.py`)."""
