"""The command line of the local stack: `python -m hub_local COMMAND`. The Makefile is how people call it."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path

from hub_local import commands, running
from hub_local.report import Report

COMMANDS = {
    "run": "start everything, run the demonstration, stay until Ctrl-C",
    "servers": "start PostgreSQL, Redis and RabbitMQ only, stay until Ctrl-C",
    "stop": "stop what `run` started in another terminal",
    "status": "show every process and whether it is ready",
    "logs": "follow the events of all, or the whole log of one process",
    "reset": "delete the data, secrets, certificates and logs",
    "demo": "run the demonstration against the running stack, or any gateway",
    "compose-secrets": "make secrets and certificates for docker-compose.yml, as far as they are missing",
}


def main(arguments: list[str] | None = None) -> int:
    """Parses, runs the command, answers the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_command(options, Report()))
    except KeyboardInterrupt:
        return 130


def _command(options: argparse.Namespace, report: Report) -> Coroutine[None, None, int]:
    match options.command:
        case "run":
            stack = running.stack_of_checkout(http_port=options.gateway_port, report=report)
            return running.run(stack, demonstrate=not options.no_demo, report=report)
        case "servers":
            stack = running.stack_of_checkout(http_port=options.gateway_port, report=report)
            return running.servers(stack, report=report)
        case "stop":
            return commands.stop(report=report)
        case "status":
            return commands.status(report=report)
        case "logs":
            return commands.logs(options.name, report=report)
        case "reset":
            return commands.reset(report=report)
        case "compose-secrets":
            return commands.compose_secrets(options.folder, check=options.check, report=report)
        case _:
            return commands.demo(options.gateway, report=report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hub_local", description=__doc__)
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = choices.add_parser(name, help=text, description=text)
        if name in ("run", "servers"):
            command.add_argument("--gateway-port", type=int, default=8080, help="the gateway's port (8080)")
        if name == "run":
            command.add_argument("--no-demo", action="store_true", help="do not run the demonstration")
        if name == "demo":
            command.add_argument("--gateway", help="its address (default: the one of the running stack)")
        if name == "compose-secrets":
            command.add_argument("folder", type=Path, help="where secrets/ and certificates/ belong")
            command.add_argument("--check", action="store_true", help="make nothing, name what is missing")
        if name == "logs":
            command.add_argument(
                "name", nargs="*", help="a process, such as order or postgres (default: all events)"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())
