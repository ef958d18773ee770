"""Regenerates proto/gen from the contracts: python proto/generate.py [--check]."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO = Path(__file__).resolve().parent
GENERATED = PROTO / "gen"


def generate(into: Path) -> None:
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "hub").rglob("*.proto"))
    outputs = [
        f"--python_out={into}",
        f"--grpc_python_out={into}",
        f"--mypy_out=quiet:{into}",
        f"--mypy_grpc_out=quiet,only_async:{into}",
    ]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", *outputs, *sources]
    plugins = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, check=True, cwd=PROTO, env={**os.environ, "PATH": plugins})
    (into / "hub" / "py.typed").touch()


def files(root: Path) -> set[Path]:
    found = (path.relative_to(root) for path in (root / "hub").rglob("*") if path.is_file())
    return {path for path in found if "__pycache__" not in path.parts}


def differences(fresh: Path) -> list[str]:
    ours, theirs = files(GENERATED), files(fresh)
    changed = [p for p in ours & theirs if not filecmp.cmp(GENERATED / p, fresh / p, shallow=False)]
    return sorted(str(path) for path in [*changed, *(ours ^ theirs)])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if "--check" not in sys.argv:
            shutil.rmtree(GENERATED / "hub", ignore_errors=True)
            shutil.copytree(fresh / "hub", GENERATED / "hub")
            return 0
        stale = differences(fresh)
    for path in stale:
        print(f"proto/gen/{path} does not match its contract: run `make proto`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
