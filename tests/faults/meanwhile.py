"""What goes on beside a test for as long as a block lasts."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Meanwhile(ABC):
    """A thread of its own; what breaks it is raised at the block's end, or nobody would know."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @abstractmethod
    def go_on(self) -> None:
        """Until `over` is set."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._thread.join()
        if self._broken and error is None:
            raise self._broken

    def _run(self) -> None:
        try:
            self.go_on()
        except BaseException as error:  # noqa: BLE001 - told to whoever ends it
            self._broken = error
