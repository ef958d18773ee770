"""What can go wrong with a stack in a way that a person can do something about; the text says what."""


class StackError(Exception):
    """Shown as it is, without a traceback."""


class StartError(StackError):
    """The stack cannot come up."""


class ServerMissingError(StackError):
    """A server's program is not installed."""


class AlreadyRunningError(StackError):
    """A supervisor holds this state directory."""

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"already running here (process {pid}); `make status` shows it, `make stop` stops it"
        )
        self.pid = pid
