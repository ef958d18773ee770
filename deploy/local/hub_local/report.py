"""What a person sees on the terminal: steps with their progress, and one tidy line per event that matters."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TextIO

# Without a terminal there is no line to redraw: a long step says so now and then.
TICK_SECONDS = 0.2
QUIET_SECONDS = 10.0
LOG_LIMIT = 64 * 1024 * 1024


class Report:
    """Writes to one stream; redraws a line only where the stream is a terminal."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._colour = self._terminal and "NO_COLOR" not in os.environ
        self._drawn = False

    def say(self, text: str = "") -> None:
        """One whole line."""
        self._erase()
        self._write(f"{text}\n")

    def interrupted(self) -> None:
        """The next line replaces the ^C that the terminal shows."""
        self._drawn = self._terminal

    def title(self, text: str) -> None:
        self.say(self._paint("1", text))

    def event(self, name: str, text: str) -> None:
        """A line with the time and who it is from."""
        clock = self._paint("2", time.strftime("%H:%M:%S"))
        self.say(f"  {clock}  {self._paint('36', f'{name:<13}')} {text}")

    def failure(self, text: str) -> None:
        self.say(self._paint("31", f"  ✗ {text}"))

    @contextlib.asynccontextmanager
    async def step(self, title: str, waiting: Callable[[], str]) -> AsyncIterator[list[str]]:
        """Shows a step and what it waits for, then how long it took and what the block put in the list."""
        began = time.monotonic()
        details: list[str] = []
        ticker = asyncio.create_task(self._tick(title, waiting, began))
        try:
            yield details
        finally:
            ticker.cancel()
            await asyncio.wait({ticker})
            self._erase()
        mark = self._paint("32", "✓")
        took = self._paint("2", f"{time.monotonic() - began:5.1f} s")
        self.say(f"  {mark} {title:<11} {took}  {', '.join(details)}")

    async def _tick(self, title: str, waiting: Callable[[], str], began: float) -> None:
        said = began
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            text = f"  … {title:<11} {now - began:5.1f} s  {waiting()}"
            if self._terminal:
                self._redraw(text)
            elif now - said > QUIET_SECONDS:
                said = now
                self.say(text)

    def _redraw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns
        self._write(f"\r\x1b[2K{text[: width - 1]}")
        self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._write("\r\x1b[2K")
            self._drawn = False

    def _write(self, text: str) -> None:
        # A closed terminal or pipe must not keep the stack from being stopped in order.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


class Follower:
    """Reads what is appended to log files from now on, and keeps them from growing without end."""

    def __init__(self, paths: list[Path]) -> None:
        self._places = {path: path.stat().st_size if path.exists() else 0 for path in paths}

    def lines(self) -> Iterator[tuple[Path, str]]:
        """The whole lines that are new since the last call."""
        for path, place in self._places.items():
            if not path.exists() or (size := path.stat().st_size) == place:
                continue
            with path.open("rb") as file:
                file.seek(place if size > place else 0)
                chunk = file.read()
                whole = chunk.rfind(b"\n") + 1
                self._places[path] = file.tell() - len(chunk) + whole
            for line in chunk[:whole].decode(errors="replace").splitlines():
                yield path, line

    def trim(self) -> None:
        """Writers append, so a log can be cut while it is written; the last part is kept beside it."""
        for path in self._places:
            if path.exists() and path.stat().st_size > LOG_LIMIT:
                path.with_suffix(".log.1").write_bytes(path.read_bytes())
                os.truncate(path, 0)
                self._places[path] = 0


def highlight(line: str) -> tuple[str, str] | None:
    """Service and text of a log line that was written for a person."""
    entry = _entry(line) if '"highlight"' in line else {}
    if entry.get("highlight") is not True or "text" not in entry:
        return None
    return str(entry.get("service", "?")), str(entry["text"])


def last_lines(log: Path, count: int = 6) -> str:
    """The end of a log, indented and readable, and where the rest is."""
    lines = log.read_text(errors="replace").splitlines()[-count:] if log.exists() else []
    return "\n".join([*(f"      {_readable(line)[:300]}" for line in lines), f"      (all of it: {log})"])


def _readable(line: str) -> str:
    """The level, event and details of a structured line; any other line as it is."""
    entry = _entry(line)
    if "event" not in entry:
        return line
    hidden = ("time", "level", "service", "event", "part", "exception", "trace_id")
    details = [f"{name}={value}" for name, value in entry.items() if name not in hidden]
    return " ".join([str(entry.get("level", "")), str(entry["event"]), *details]).strip()


def _entry(line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
