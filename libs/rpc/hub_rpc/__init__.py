"""gRPC servers and channels: mTLS, call table, deadlines, errors, breakers, spans."""
