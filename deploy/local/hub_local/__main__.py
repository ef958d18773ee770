"""The command line of the local stack: `python -m hub_local COMMAND`. The Makefile is how people call it."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path

from hub_local import commands, databases, dead_letters, running
from hub_local.faults import StackError
from hub_local.ports import LARGEST_SHIFT
from hub_local.report import Report
from hub_local.stack import Stack

COMMANDS = {
    "run": "start everything, run the demonstration, stay until Ctrl-C",
    "servers": "start PostgreSQL, Redis and RabbitMQ only, stay until Ctrl-C",
    "stop": "stop what `run` started in another terminal",
    "status": "show every process and whether it is ready",
    "logs": "follow the events of all, or the whole log of one process",
    "reset": "delete the data, secrets, certificates and logs",
    "demo": "run the demonstration against the running stack, or any gateway",
    "db-migrate": "make the databases that are missing and bring all up to date",
    "db-seed": "put in what the services start with; what is there stays",
    "db-reset": "delete the local stack's databases and make them anew",
    "db-shell": "open psql in the database of one service, as its own role",
    "verify-audit": "hold the history of orders against itself: 1 when somebody changed it",
    "reconcile": "hold orders against the books of the running stack: 1 when they differ",
    "dlq": "look at the dead letters of the running stack, send them back or drop them",
    "compose-secrets": "make secrets and certificates for docker-compose.yml, as far as they are missing",
}


def main(arguments: list[str] | None = None) -> int:
    """Parses, runs the command, answers the exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    # What they print may be piped on.
    piped = options.command in ("db-shell", "verify-audit", "reconcile", "dlq")
    report = Report(sys.stderr if piped else sys.stdout)
    try:
        return asyncio.run(_command(options, report))
    except StackError as error:
        report.failure(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _command(options: argparse.Namespace, report: Report) -> Coroutine[None, None, int]:
    match options.command:
        case "run":
            return running.run(_stack(options, report), demonstrate=not options.no_demo, report=report)
        case "servers":
            return running.servers(_stack(options, report), report=report)
        case "db-migrate" | "db-seed" | "db-reset" | "db-shell" | "verify-audit" | "reconcile":
            return _database_command(options, report)
        case "dlq":
            return dead_letters.dlq(_stack(options, report), options.arguments, report=report)
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


def _database_command(options: argparse.Namespace, report: Report) -> Coroutine[None, None, int]:
    stack = _stack(options, report)
    match options.command:
        case "db-migrate":
            return databases.migrate(stack, report=report)
        case "db-seed":
            return databases.seed(stack, report=report)
        case "db-reset":
            # Asked before the event loop runs, so that Ctrl-C is an answer too.
            confirmed = options.yes or databases.confirm(stack, report=report)
            return databases.reset(stack, confirmed=confirmed, report=report)
        case "verify-audit":
            return databases.verify_audit(stack, since=options.since, order=options.order, report=report)
        case "reconcile":
            return databases.reconcile(stack, since=options.since, everything=options.all)
        case _:
            return databases.shell(stack, options.service, report=report)


def _stack(options: argparse.Namespace, report: Report) -> Stack:
    return running.stack_of_checkout(
        http_port=options.gateway_port, port_shift=options.port_shift, report=report
    )


def _shift(text: str) -> int:
    shift = int(text)
    if not 0 <= shift <= LARGEST_SHIFT:
        raise argparse.ArgumentTypeError(f"must be from 0 to {LARGEST_SHIFT}")
    return shift


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hub_local", description=__doc__)
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = choices.add_parser(name, help=text, description=text)
        if name in ("run", "servers", "verify-audit", "reconcile", "dlq") or name.startswith("db-"):
            command.add_argument("--gateway-port", type=int, default=8080, help="the gateway's port (8080)")
            command.add_argument(
                "--port-shift", type=_shift, default=0, help="what is added to all other ports (0)"
            )
        if name == "run":
            command.add_argument("--no-demo", action="store_true", help="do not run the demonstration")
        if name == "db-reset":
            command.add_argument("--yes", action="store_true", help="do not ask")
        if name == "db-shell":
            command.add_argument("service", nargs="?", default="", help="such as order")
        if name == "verify-audit":
            command.add_argument("--since", metavar="DAY", help="only from this UTC day on")
            command.add_argument("--order", metavar="ID", help="only this order")
        if name == "reconcile":
            command.add_argument("--since", metavar="DAY", help="executions from this UTC day on")
            command.add_argument("--all", action="store_true", help="all executions")
        _add_rest(name, command)
    return parser


def _add_rest(name: str, command: argparse.ArgumentParser) -> None:
    """Of commands that take something of their own."""
    if name == "dlq":
        command.add_argument("arguments", nargs=argparse.REMAINDER, help="of `python -m hub_events dlq`")
    if name == "demo":
        command.add_argument("--gateway", help="its address (default: the one of the running stack)")
    if name == "compose-secrets":
        command.add_argument("folder", type=Path, help="where secrets/ and certificates/ belong")
        command.add_argument("--check", action="store_true", help="make nothing, name what is missing")
    if name == "logs":
        command.add_argument(
            "name", nargs="*", help="a process, such as order or postgres (default: all events)"
        )


if __name__ == "__main__":
    sys.exit(main())
