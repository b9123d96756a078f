# SPDX-License-Identifier: GPL-3.0-or-later
"""What all command lines share: exit codes, one clear line on stderr, no tracebacks for bad input."""

import argparse
import contextlib
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from .errors import Cancelled, ConfigError, GestureError

_MOST_SEED = 2**31 - 1
EXIT_OK, EXIT_INTERNAL, EXIT_BAD_INPUT, EXIT_CANCELLED = 0, 1, 2, 130


def run_command(main: Callable[[argparse.Namespace], Any], parse: Callable[[], argparse.Namespace]) -> int:
    """Run a command and turn its end into an exit code.

    0 success; 2 usage or bad input (argparse exits with 2 itself); 1 internal error, whose traceback goes to a log
    file, since that is a bug to report; 130 interrupted. Each but 0 ends with one line on stderr.
    """
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no reason to fail
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        arguments = parse()
        seed = getattr(arguments, "seed", None)
        if isinstance(seed, int) and not 0 <= seed <= _MOST_SEED:  # the same for all commands
            raise ConfigError(f"seed must be a whole number between 0 and {_MOST_SEED}, not {seed}.")
        # A warning of ours is a sentence for the user; where in the code it arose says nothing to them.
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # NumPy's, of numbers that are checked anyway
        warnings.formatwarning = lambda message, *_, **__: f"note: {message}\n"
        main(arguments)
        sys.stdout.flush()
    except GestureError as error:
        _say_error(f"{error}" + (f" {error.hint}" if error.hint else ""))
        return EXIT_BAD_INPUT
    except (KeyboardInterrupt, Cancelled):
        print("stopped", file=sys.stderr)
        return EXIT_CANCELLED
    except BrokenPipeError:  # who read the output has closed it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except MemoryError:
        _say_error("There is not enough memory for this. Give less at once, or close other programs.")
        return EXIT_BAD_INPUT
    except OSError as error:  # a name or a file that the system will not have
        where = f"{_cut(str(error.filename))}: " if error.filename is not None else ""
        _say_error(f"{where}{error.strerror or error}.")
        return EXIT_BAD_INPUT
    except Exception as error:  # the last line of defence: everything else is a bug
        log = _write_log(error)
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        print(f"internal error: {_cut(text)} Please report it{log}.", file=sys.stderr)
        return EXIT_INTERNAL
    return EXIT_OK


def _say_error(text: str) -> None:
    """One line on stderr, whatever is in the text."""
    print(f"error: {_cut(text, 1000)}", file=sys.stderr)


def _cut(text: str, most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most // 2]}…{line[-most // 4 :]}"


def _write_log(error: BaseException) -> str:
    """The traceback in a new file that nobody else can read; where it is, in words."""
    try:
        handle, path = tempfile.mkstemp(prefix="diffgesture-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        traceback.print_exception(error)
        return ""
    return f" with the log {path}"
