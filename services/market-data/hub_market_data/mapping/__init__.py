"""Domain <-> protobuf, both ways. Decides nothing."""
