"""Processes that share the work: forked, so that the story is told once and read by all."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeAlias, TypeVar

from labq.domain.errors import InfrastructureError, LabqError

_Pipe: TypeAlias = "Connection[Any, Any]"
Task = TypeVar("Task")
Result = TypeVar("Result")


class Crew(Generic[Task, Result]):
    """Does tasks in several processes. `work` is called in them: it must not use what it inherits
    of connections, and `Result` has to be picklable.
    """

    def __init__(self, work: Callable[[Task], Result], processes: int) -> None:
        self._work, self._processes = work, processes
        self._fork = multiprocessing.get_context("fork")
        self._children: dict[_Pipe, BaseProcess] = {}

    def do(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        """Yield each task that is done, with what came of it; tasks begin in their order.

        Raises InfrastructureError for one that failed; the others are ended then.
        """
        left = list(enumerate(tasks))[::-1]
        try:
            for _ in range(min(self._processes, len(tasks))):
                self._start(tasks).send(left.pop()[0])
            while self._children:
                ready = wait(list(self._children))
                for pipe in [pipe for pipe in self._children if pipe in ready]:
                    index, result = self._receive(pipe)
                    if left:
                        pipe.send(left.pop()[0])
                    else:
                        self._dismiss(pipe)
                    yield tasks[index], result
        finally:
            self._end()

    def _start(self, tasks: Sequence[Task]) -> _Pipe:
        ours, theirs = self._fork.Pipe()
        child = self._fork.Process(target=self._serve, args=(theirs, ours, tasks, os.getpid()))
        child.start()
        theirs.close()
        self._children[ours] = child
        return ours

    def _receive(self, pipe: _Pipe) -> tuple[int, Result]:
        try:
            index, result, failure = pipe.recv()
        except EOFError as error:
            raise InfrastructureError(
                f"a process of the fill ended with {self._children[pipe].exitcode}"
            ) from error
        if failure:
            raise InfrastructureError(failure)
        return index, result

    def _dismiss(self, pipe: _Pipe) -> None:
        child = self._children.pop(pipe)
        pipe.close()
        child.join()

    def _end(self) -> None:
        for pipe, child in self._children.items():
            child.terminate()
            child.join()
            pipe.close()
        self._children.clear()

    def _serve(self, pipe: _Pipe, others_end: _Pipe, tasks: Sequence[Task], parent: int) -> None:
        """Do one task after the other until nobody gives any more."""
        # With a copy of the other end here nobody would ever be told that it was closed.
        for end in (others_end, *self._children):
            end.close()
        while os.getppid() == parent:
            try:
                index = pipe.recv()
            except EOFError:
                return
            pipe.send(self._done(index, tasks[index]))

    def _done(self, index: int, task: Task) -> tuple[int, Result | None, str]:
        try:
            return index, self._work(task), ""
        except LabqError as error:
            return index, None, str(error)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a process
            traceback.print_exc(file=sys.stderr)
            return index, None, f"{type(error).__name__}: {error}"
