"""A process: settings, logs, traces, metrics, admin endpoint, life cycle."""
