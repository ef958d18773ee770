"""What answers look like, one file per subject. The OpenAPI document is made from these types."""
