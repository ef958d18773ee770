"""The demonstration: one order all the way, through the public interface only."""
