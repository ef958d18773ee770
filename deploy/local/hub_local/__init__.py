"""The local stack: servers, certificates, supervisor, demonstration."""
