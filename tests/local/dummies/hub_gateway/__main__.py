"""A stand-in."""

from tests.local.dummies.dummy import main

main("gateway")
