"""Events over RabbitMQ: envelope, topology, outbox relay, consumer."""
