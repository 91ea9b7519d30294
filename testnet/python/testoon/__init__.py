"""The Testoon lab: proof-of-work networks and attacks on them, simulated with the code of a real node.

Every function takes the options of the command line's command of that name as keyword arguments (``--block-bytes`` is
``block_bytes``), judges them as it does, and returns a pandas data frame. An option that is given a list is swept: there is one
row for each combination, the options that were given in its first columns.

    >>> import testoon
    >>> testoon.odds(share=[0.1, 0.3], confirmations=[1, 6])[["share", "confirmations", "rosenfeld"]]
    >>> testoon.simulate(nodes=100, blocks=500, delay_ms=[100, 1000, 5000])[["delay_ms", "fork_rate"]]
    >>> testoon.attack("selfish", share=[0.3, 0.4], gamma=0.5)[["share", "revenue"]]
    >>> testoon.study("study.toml")

A wrong option raises ``ValueError`` with the sentence that the command line would print, a failure ``RuntimeError``.
"""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import tempfile
from typing import Any, Mapping, Union

import pandas

from . import _lab

__all__ = ["attack", "odds", "simulate", "study"]


def simulate(**options: Any) -> pandas.DataFrame:
    """Simulates honest networks on virtual time; see ``testoon simulate --help``.

    Columns: fork_rate, stale_rate, propagation_ms_p50 and so on, one row a network.
    """
    return _sweep(["simulate"], options)


def attack(name: str, **options: Any) -> pandas.DataFrame:
    """Plays an attack in the simulator; see ``testoon attack --help``.

    Columns: the measured rate or revenue with its 95 % interval, and what theory says, one row a combination of options.
    """
    return _sweep(["attack", name, "--sim"], options)


def odds(**options: Any) -> pandas.DataFrame:
    """The odds of a double spend by formula; see ``testoon odds --help``.

    Columns: matching (this chain's rules), rosenfeld, nakamoto, and the least payment that is worth the attack.
    """
    return _sweep(["odds"], options)


def study(
    file: Union[str, os.PathLike, Mapping[str, Any]], out: Union[str, os.PathLike, None] = None, **options: Any
) -> pandas.DataFrame:
    """Plays a study, or goes on with one that was ended; one row a point.

    ``file`` is a study file, or its content as a mapping. ``out`` is where results are kept; without it those of a file stand
    beside it, and those of a mapping are not kept. ``DataFrame.attrs`` has the study's name, whether it is complete, and
    chi-squared over its points.
    """
    with tempfile.TemporaryDirectory(prefix="testoon-study-") as directory:
        if isinstance(file, Mapping):
            path = pathlib.Path(directory) / "study.toml"
            path.write_text(_toml(file), encoding="utf-8")
            file = path
        arguments = ["study", os.fspath(file)]
        if out is not None:
            arguments.append(f"--out={os.fspath(out)}")
        answer = json.loads(_lab.answer(arguments + _flags(options)))
    frame = _frame(answer.pop("rows"))
    frame.attrs.update(answer)
    return frame


def _sweep(command: list[str], options: Mapping[str, Any]) -> pandas.DataFrame:
    swept = {name: list(value) for name, value in options.items() if isinstance(value, (list, tuple, range))}
    rows = []
    for values in itertools.product(*swept.values()):
        point = {**options, **dict(zip(swept, values))}
        answer = json.loads(_lab.answer(command + _flags(point)))
        given = {name: value for name, value in point.items() if value is not None}
        rows.append({**given, **{name: value for name, value in answer.items() if name not in given}})
    return _frame(rows)


def _flags(options: Mapping[str, Any]) -> list[str]:
    flags = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif value is not None and value is not False:
            flags.append(f"{flag}={value}")
    return flags


def _frame(rows: list[dict[str, Any]]) -> pandas.DataFrame:
    frame = pandas.json_normalize([_without_pairs(row) for row in rows], sep="_")
    return frame


def _without_pairs(value: Any) -> Any:
    """Intervals, which are pairs, as an object with ``low`` and ``high``: a column each."""
    if isinstance(value, dict):
        return {name: _without_pairs(inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) == 2 and all(isinstance(end, (int, float)) for end in value):
        return {"low": value[0], "high": value[1]}
    return value


def _toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A mapping as TOML: tables, lists, texts, numbers and truth values, which is all that a study file has."""
    lines = [f"{json.dumps(name)} = {_toml_value(value)}" for name, value in table.items() if not isinstance(value, Mapping)]
    for name, value in table.items():
        if isinstance(value, Mapping):
            inner = (*path, json.dumps(name))
            lines += ["", f"[{'.'.join(inner)}]", _toml(value, inner)]
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, (bool, str)):
        # TOML's basic strings and truth values are written as JSON's.
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return repr(value)
    raise ValueError(f"{value!r} has no place in a study file: it takes texts, numbers, lists and tables")
