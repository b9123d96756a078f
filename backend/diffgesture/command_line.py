# SPDX-License-Identifier: GPL-3.0-or-later
"""What all command lines share: exit codes, one clear line on stderr, no tracebacks for bad input."""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable

from .errors import Cancelled, GestureError

EXIT_OK, EXIT_INTERNAL, EXIT_BAD_INPUT, EXIT_CANCELLED = 0, 1, 2, 130


def run_command(main: Callable[[argparse.Namespace], None], parse: Callable[[], argparse.Namespace]) -> int:
    """Run a command and turn its end into an exit code.

    0 success; 2 usage or bad input (argparse exits with 2 itself); 1 internal error, with its traceback, since
    that is a bug to report; 130 interrupted.
    """
    arguments = parse()
    # A warning of ours is a sentence for the user; where in the code it arose says nothing to them.
    warnings.formatwarning = lambda message, *_, **__: f"note: {message}\n"
    try:
        main(arguments)
        sys.stdout.flush()
    except GestureError as error:
        print(f"error: {error}" + (f" {error.hint}" if error.hint else ""), file=sys.stderr)
        return EXIT_BAD_INPUT
    except (KeyboardInterrupt, Cancelled):
        print("stopped", file=sys.stderr)
        return EXIT_CANCELLED
    except BrokenPipeError:  # who read the output has closed it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except Exception as error:  # the last line of defence: everything else is a bug
        traceback.print_exc()
        print(f"internal error: {error}", file=sys.stderr)
        return EXIT_INTERNAL
    return EXIT_OK
