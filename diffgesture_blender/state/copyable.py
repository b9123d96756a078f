# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may want to copy: the report and a problem."""

from .session import session


def copyable(what: str) -> str:
    """The text behind a copy button."""
    problem = session.problem or session.report_problem
    if what == "REPORT":
        return session.report or ""
    if problem is None:
        return ""
    if what == "COMMAND":
        return problem.command or ""
    return "\n".join(text for text in (problem.message, problem.hint, problem.command) if text)
