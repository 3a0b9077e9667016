"""Standard output has the protocol and nothing else, and the server ends as it should."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data.cli.mcp_server import McpServer
from tests.cli.mcp.agent import COMMAND, agent, found
from tests.processes import ROOT, TIMEOUT, PythonProcess, children_of, run_python

SERVE = "from mixpanel_data.cli.mcp_server import McpServer\nMcpServer(sys.argv[1]).run()"

#: A server one of whose tools prints in every way, and another fails.
NOISY = """
import logging, os, subprocess, sys, warnings
from dataclasses import replace
from mixpanel_data.cli.mcp_server import McpServer
from mixpanel_data.cli.mcp_tools import TOOLS

quiet = TOOLS["list_tables"]

def noisy(storage):
    warnings.simplefilter("always")
    print("NOISE by print", flush=True)
    os.write(1, b"NOISE by write\\n")
    subprocess.run(["echo", "NOISE by a child"])
    warnings.warn("NOISE by a warning")
    logging.getLogger("noise").warning("NOISE by a log")
    return quiet.answer(storage)

def broken(storage, table):
    raise RuntimeError("a secret")

TOOLS["list_tables"] = replace(quiet, answer=noisy)
TOOLS["summarize"] = replace(TOOLS["summarize"], answer=broken)
McpServer(sys.argv[1]).run()
"""


def request(number: int, method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


INITIALIZE = request(
    *(1, "initialize"),
    protocolVersion="2025-06-18",
    capabilities={},
    clientInfo={"name": "test", "version": "1"},
)
INITIALIZED = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})


def call(number: int, name: str, **arguments: Any) -> str:
    return request(number, "tools/call", name=name, arguments=arguments)


def test_whatever_is_printed_goes_to_standard_error(database: Path) -> None:
    with PythonProcess(NOISY, database) as server:
        server.write(INITIALIZE)
        answers = [json.loads(server.read())]
        server.write(INITIALIZED)
        server.write(call(2, "list_tables"))
        answers.append(json.loads(server.read()))
        server.write("this is no JSON")
        server.write(call(3, "list_tables"))
        while answers[-1].get("id") != 3:
            answers.append(json.loads(server.read()))
        said = server.errors()
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert answers[-1]["result"]["structuredContent"]["row_count"] == 2
    for how in ("print", "write", "a child", "a warning", "a log"):
        assert f"NOISE by {how}" in said


def test_an_error_in_the_server_is_told_without_its_text(database: Path) -> None:
    with agent(database, script=NOISY) as asking:
        said = asking.refusal("summarize", table="users")
        assert "RuntimeError" in said
        assert "secret" not in said
        assert found(asking.call("list_tables"))["row_count"] == 2
        assert "a secret" in asking.log()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_ends_the_server(database: Path, number: signal.Signals, status: int) -> None:
    with PythonProcess(SERVE, database) as server:
        server.write(INITIALIZE)
        server.read()
        server.send(number)
        assert server.wait() == status
        assert "Traceback" not in server.errors()


def test_the_end_of_its_input_ends_the_server(database: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", *COMMAND, str(database)],
        input="\n".join([INITIALIZE, INITIALIZED, ""]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["result"]["serverInfo"]["name"] == "mixpanel-data"
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("is_input_closed", [True, False])
def test_a_client_that_is_gone_before_its_answer_ends_the_server_quietly(
    database: Path, is_input_closed: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, *COMMAND, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as server:
        assert server.stdin
        assert server.stdout
        assert server.stderr
        sql = "SELECT count(*) FROM range(30000000) WHERE hash(range) > 5"
        lines = [INITIALIZE, INITIALIZED, call(2, "query", sql="SELECT 1")]
        server.stdin.write("\n".join([*lines, ""]))
        server.stdin.flush()
        while json.loads(server.stdout.readline()).get("id") != 2:
            pass
        workers = children_of(server.pid)
        server.stdin.write(call(3, "query", sql=sql) + "\n")
        server.stdin.flush()
        server.stdout.close()
        if is_input_closed:
            server.stdin.close()
        assert server.wait(TIMEOUT) == 0
        assert server.stderr.read() == ""
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"lock_timeout": -1}, "lock_timeout"),
        ({"timeout": 0}, "timeout"),
        ({"memory_limit": "much"}, "memory_limit"),
        ({"workers": 0}, "workers"),
    ],
)
def test_a_wrong_limit_is_refused_before_anything_is_served(
    path: Path, limits: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        McpServer(path, **limits)


def test_without_the_sdk_the_error_says_what_to_install(path: Path) -> None:
    printed = run_python(
        """
        sys.modules["mcp"] = None
        from mixpanel_data.cli.mcp_server import McpServer
        try:
            McpServer(sys.argv[1])
        except McpUnavailableError as error:
            say(isinstance(error, ImportError), error)
        """.replace("\n        ", "\n"),
        path,
    )
    assert printed[0].startswith("True")
    assert "pip install 'mixpanel_data[mcp]'" in printed[0]


def test_the_command_says_what_is_wrong_without_a_traceback(path: Path) -> None:
    for arguments, status in [([], 2), ([str(path), "--timeout", "-1"], 2), ([""], 2)]:
        done = subprocess.run(
            [sys.executable, *COMMAND, *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == status
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr
