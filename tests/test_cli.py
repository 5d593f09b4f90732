"""The command line as a user has it: its streams and its exit codes, in a real process where that matters."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from otlp_receiver import otlp_endpoint

from speeddial.cli import main
from speeddial.models.base_model import BaseModel
from speeddial.models.vllm import SERVER_FLAG

MakeProject = Callable[..., Path]
EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_ENGINE, EXIT_LIMIT, EXIT_PERSON = 0, 1, 2, 3, 4, 5

WORKFLOW = '''
"""Workflows of the test project."""

from speeddial.live import Run
from speeddial.workflow import workflow


@workflow
async def default(run: Run, task: str) -> str:
    """Phone the expert that the task begins with."""
    expert, _, text = task.partition(": ")
    outcome = await run.phone(expert, text)
    return outcome.text
'''


def process(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, a second or two; a server's connections end with it."""
    return subprocess.run(
        [sys.executable, "-m", "speeddial", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def speeddial(
    folder: Path, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The same entry point in this process, with its streams, its folder and its environment."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    objects = gc.get_threshold()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["speeddial", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            gc.set_threshold(*objects)
    return subprocess.CompletedProcess(list(arguments), code, out.getvalue(), err.getvalue())


def script(root: Path, *outputs: Any) -> str:
    """A scripted model that says these, as a model name."""
    path = root / "script.json"
    path.write_text(json.dumps(outputs), encoding="utf-8")
    return f"scripted:{path}"


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


@pytest.fixture
def project(make_project: MakeProject) -> Path:
    root = make_project()
    (root / "workflows/default.py").write_text(WORKFLOW, encoding="utf-8")
    return root


def test_help_says_what_there_is(tmp_path: Path) -> None:
    done = process(tmp_path, "--help")
    assert done.returncode == EXIT_DONE
    for command in (
        "init",
        "run",
        "plan",
        "call",
        "batch",
        "resume",
        "runs",
        "show",
        "models",
        "check",
        "doctor",
    ):
        assert command in done.stdout


def test_outside_a_project_the_next_step_is_named(tmp_path: Path) -> None:
    done = speeddial(tmp_path, "experts")
    assert done.returncode == EXIT_USAGE
    assert "speeddial init" in done.stderr and "Traceback" not in done.stderr and not done.stdout


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    assert process(tmp_path, "run", "--colour").returncode == EXIT_USAGE


def test_the_answer_alone_is_on_stdout(project: Path) -> None:
    done = process(project, "run", "adder: 2 and 3", SPEEDDIAL_MODEL=script(project, call("add", a=2, b=3)))
    assert done.returncode == EXIT_DONE, done.stderr
    assert done.stdout == "5\n"
    assert "add(a=2, b=3)" in done.stderr


def test_the_task_comes_from_stdin_or_a_file(project: Path) -> None:
    model = script(project, call("add", a=2, b=3))
    assert speeddial(project, "run", stdin="adder: 2 and 3\n", SPEEDDIAL_MODEL=model).stdout == "5\n"
    (project / "task.txt").write_text("adder: 2 and 3", encoding="utf-8")
    assert speeddial(project, "run", "--task-file", "task.txt", SPEEDDIAL_MODEL=model).stdout == "5\n"
    assert speeddial(project, "run", "--task-file", "none.txt").returncode == EXIT_USAGE
    assert speeddial(project, "run", stdin="  ").returncode == EXIT_USAGE


def test_json_gives_events_and_a_final_record(project: Path) -> None:
    model = script(project, call("add", a=2, b=3))
    done = process(project, "run", "adder: 2 and 3", "--json", SPEEDDIAL_MODEL=model)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["type"] == "run_started"
    assert lines[-1]["type"] == "result" and lines[-1]["status"] == "done" and lines[-1]["answer"] == "5"
    (made,) = lines[-1]["calls"]
    assert (made["name"], made["arguments"], made["status"]) == ("add", {"a": 2, "b": 3}, "exact")


def test_an_external_tool_waits_for_a_person_and_goes_on(project: Path) -> None:
    model = script(project, call("send", to="Anna"))
    for decision, sent in (("--deny", ""), ("--approve", "Anna\n")):
        waiting = speeddial(project, "run", "writer: write to Anna", "--json", SPEEDDIAL_MODEL=model)
        assert waiting.returncode == EXIT_PERSON
        run_id = json.loads(waiting.stdout.splitlines()[-1])["run_id"]
        assert not (project / "workspace/sent.txt").exists()
        speeddial(project, "resume", run_id, decision, SPEEDDIAL_MODEL=model)
        path = project / "workspace/sent.txt"
        assert (path.read_text(encoding="utf-8") if path.exists() else "") == sent
    assert speeddial(project, "resume", "last", "--approve", "--deny").returncode == EXIT_USAGE


def test_yes_approves(project: Path) -> None:
    done = speeddial(
        project, "run", "writer: x", "--yes", SPEEDDIAL_MODEL=script(project, call("send", to="Bob"))
    )
    assert done.returncode == EXIT_DONE and "sent to Bob" in done.stdout


def test_an_unreachable_server_is_exit_3_with_the_address(project: Path) -> None:
    server = "vllm:x@http://127.0.0.1:9/v1"
    settings = {"SPEEDDIAL_MODEL": server, "SPEEDDIAL_PLANNER": server, "SPEEDDIAL_TRANSPORT_RETRIES": "0"}
    done = process(project, "run", "adder: x", **settings)
    assert done.returncode == EXIT_ENGINE, done.stderr
    assert "127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr


def test_limits_are_exit_4(project: Path) -> None:
    done = speeddial(project, "run", "adder: x", "--max-steps", "0", SPEEDDIAL_MODEL=script(project, {}))
    assert done.returncode == EXIT_LIMIT, done.stderr


def test_a_missing_input_and_an_unknown_workflow_are_usage_errors(project: Path) -> None:
    assert speeddial(project, "run", "adder: x", "--input", "none.csv").returncode == EXIT_USAGE
    done = speeddial(project, "run", "adder: x", "--workflow", "bob")
    assert done.returncode == EXIT_USAGE and "default" in done.stderr


def test_a_broken_card_is_named_and_nothing_runs(project: Path) -> None:
    (project / "experts/adder/card.toml").write_text("summary = 1\n", encoding="utf-8")
    done = speeddial(project, "run", "adder: x")
    assert done.returncode == EXIT_USAGE and "card.toml: summary" in done.stderr


def test_runs_and_show_tell_what_is_on_record(project: Path) -> None:
    model = script(project, call("add", a=2, b=3))
    speeddial(project, "run", "adder: 2 and 3", SPEEDDIAL_MODEL=model)
    assert "adder: 2 and 3" in speeddial(project, "runs").stdout
    shown = speeddial(project, "show", "last").stdout
    assert "add" in shown and "exact" in shown and "llguidance" in shown
    row = json.loads(speeddial(project, "show", "last", "--json").stdout)
    assert row["status"] == "done" and [item["kind"] for item in row["interactions"]] == ["model", "tool"]
    assert speeddial(project, "show", "nothing").returncode == EXIT_USAGE


def test_trace_export_writes_chat_lines_with_tools(project: Path) -> None:
    speeddial(project, "run", "adder: 2 and 3", SPEEDDIAL_MODEL=script(project, call("add", a=2, b=3)))
    done = speeddial(project, "trace", "export", "--out", "data.jsonl")
    assert done.returncode == EXIT_DONE, done.stderr
    (line,) = (project / "data.jsonl").read_text(encoding="utf-8").splitlines()
    example = json.loads(line)
    assert json.loads(example["messages"][-1]["tool_calls"][0]["function"]["arguments"]) == {"a": 2, "b": 3}
    assert "add" in [item["function"]["name"] for item in example["tools"]]


def test_trace_export_writes_the_form_that_is_asked_for(project: Path) -> None:
    speeddial(project, "run", "adder: 2 and 3", SPEEDDIAL_MODEL=script(project, call("add", a=2, b=3)))
    done = speeddial(project, "trace", "export", "last", "--form", "trl", "--out", "t.jsonl", "--json")
    assert done.returncode == EXIT_DONE, done.stderr
    row = json.loads((project / "t.jsonl").read_text(encoding="utf-8"))
    assert row["completion"][0]["tool_calls"][0]["function"] == {"name": "add", "arguments": {"a": 2, "b": 3}}
    assert json.loads(done.stdout)["licences"] == {"unknown": 1}
    assert "unknown licence" in done.stderr and "`licences`" in done.stderr
    model = json.loads(done.stdout)["models"].popitem()[0]
    told = speeddial(
        project, "trace", "export", "--out", "t.jsonl", "--json", SPEEDDIAL_LICENCES=f"{model}=mit"
    )
    assert json.loads(told.stdout)["licences"] == {"mit": 1} and "unknown" not in told.stderr
    none = speeddial(project, "trace", "export", "--out", "t.jsonl", "--until", "2020-01-01T00:00")
    assert none.returncode == EXIT_DONE and (project / "t.jsonl").read_text() == ""
    wrong = speeddial(project, "trace", "export", "--out", "t.jsonl", "--since", "yesterday")
    assert wrong.returncode == EXIT_USAGE and "--since" in wrong.stderr
    several = speeddial(project, "trace", "export", "--out", "x.html", "--form", "html")
    assert several.returncode == EXIT_USAGE and "name one run" in several.stderr


def test_trace_send_says_who_did_not_answer(project: Path) -> None:
    speeddial(project, "run", "adder: 2 and 3", SPEEDDIAL_MODEL=script(project, call("add", a=2, b=3)))
    nobody = speeddial(project, "trace", "send")
    assert nobody.returncode == EXIT_USAGE and "--to URL" in nobody.stderr
    with otlp_endpoint() as endpoint:
        done = speeddial(project, "trace", "send", "last", "--to", endpoint.url)
        assert done.returncode == EXIT_DONE, done.stderr
        assert "invoke_agent adder" in {span.name for span in endpoint.spans}
        endpoint.status = 400
        refused = speeddial(project, "trace", "send", "--to", endpoint.url)
    assert refused.returncode == EXIT_USAGE and "did not take the spans" in refused.stderr
    assert len(refused.stderr.splitlines()) == 2, refused.stderr


def test_call_decodes_without_executing(project: Path) -> None:
    model = script(project, call("note", text="milk"))
    done = speeddial(project, "call", "writer", "note milk", "--no-execute", "--json", SPEEDDIAL_MODEL=model)
    assert done.returncode == EXIT_DONE, done.stderr
    line = json.loads(done.stdout)
    assert line["arguments"] == {"text": "milk"} and line["receipt"]["constrained"] is True
    assert not (project / "workspace/notes.txt").exists()


def test_call_batch_writes_a_line_per_input(project: Path) -> None:
    rows = [{"id": "a", "input": "2 and 3"}, {"id": "b", "input": "poem"}]
    (project / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = {"2 and 3": call("add", a=2, b=3), "poem": call("refuse", reason="no poems")}
    (project / "script.json").write_text(json.dumps(said), encoding="utf-8")
    model = f"scripted:{project / 'script.json'}"
    done = speeddial(
        project,
        "call",
        "adder",
        "--batch",
        "in.jsonl",
        "--out",
        "out.jsonl",
        "--no-execute",
        SPEEDDIAL_MODEL=model,
        SPEEDDIAL_PLANNER=model,
    )
    assert done.returncode == EXIT_DONE, done.stderr
    first, second = [
        json.loads(line) for line in (project / "out.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert first["id"] == "a" and first["status"] == "exact"
    numbers = {"a": 2, "b": 3}
    assert first["calls"] == [{"name": "add", "arguments": numbers, "resolved": numbers}]
    assert second["status"] == "refused" and second["calls"] == []


def test_batch_goes_on_where_it_stopped_and_fails_when_a_line_failed(project: Path) -> None:
    rows = [{"id": 1, "input": "adder: 1"}, {"id": 2, "input": "bob: 2"}]
    (project / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    part = project / ".in.jsonl.part"
    part.write_text('{"id": 1, "status": "done", "answer": "kept"}\n{"id": 2, "sta', encoding="utf-8")
    done = speeddial(project, "batch", "in.jsonl", "--out", "out.jsonl")
    assert done.returncode == EXIT_FAILED, done.stderr
    lines = [json.loads(line) for line in (project / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == [1, 2] and lines[0]["answer"] == "kept"
    assert lines[1]["status"] == "failed" and not part.exists()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"id": 1}', '{"input": "x"}', '{"id":1,"input":"x"}\n{"id":1,"input":"y"}']
)
def test_a_bad_batch_file_is_refused_before_anything_runs(project: Path, text: str) -> None:
    (project / "in.jsonl").write_text(text, encoding="utf-8")
    done = speeddial(project, "batch", "in.jsonl", "--out", "out.jsonl")
    assert done.returncode == EXIT_USAGE and "in.jsonl:" in done.stderr
    assert not (project / "out.jsonl").exists()


def test_eval_scores_the_answers_and_shows_the_wrong_ones(project: Path) -> None:
    cases = [
        {"id": "right", "input": "2 and 3", "calls": [call("add", a=2, b=3)]},
        {"id": "swapped", "input": "4 and 5", "calls": [call("add", a=5, b=4), call("add", a=4, b=6)]},
        {"id": "refused", "input": "poem", "calls": [call("refuse", reason="not a sum")]},
    ]
    (project / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
    said = {
        "2 and 3": call("add", a=2, b=3),
        "4 and 5": call("add", a=4, b=5),
        "poem": call("refuse", reason="no poems"),
    }
    (project / "script.json").write_text(json.dumps(said), encoding="utf-8")
    model = f"scripted:{project / 'script.json'}"
    command = ("eval", "adder", "--data", "cases.jsonl", "--model", model, "--json", "--wrong", "9")
    done = speeddial(project, *command)
    assert done.returncode == EXIT_DONE, done.stderr
    figures, *wrong = [json.loads(line) for line in done.stdout.splitlines()]
    assert figures["cases"] == 3 and figures["right_name"] == 1.0 and figures["exact"] == 0.6667
    assert figures["exact_95"][0] < 0.6667 < figures["exact_95"][1]
    assert [line["id"] for line in wrong] == ["swapped"] and "'b': 5" in wrong[0]["got"]
    assert not (project / "workspace/.speeddial/record.db").exists(), "evaluation is no training data"


def test_eval_names_what_is_wrong_with_its_data(project: Path) -> None:
    (project / "cases.jsonl").write_text('{"question": "?"}\n', encoding="utf-8")
    for file, said in (("cases.jsonl", "cases.jsonl:1: "), ("none.jsonl", "none.jsonl")):
        done = speeddial(project, "eval", "adder", "--data", file, "--model", script(project))
        assert done.returncode == EXIT_USAGE and said in done.stderr, done.stderr


def test_lists_are_tab_separated_when_piped_and_json_on_request(project: Path) -> None:
    assert "adder\tuntuned\tscripted" in speeddial(project, "experts").stdout
    assert "note\twrite" in speeddial(project, "tools").stdout
    assert "default\t" in speeddial(project, "workflows").stdout
    assert (
        json.loads(speeddial(project, "tools", "--json").stdout.splitlines()[0])["schema"]["type"] == "object"
    )
    assert "planner\tscripted" in speeddial(project, "models").stdout


def test_check_names_the_shortest_call_of_each_tool(project: Path, base_model: BaseModel) -> None:
    rows = [json.loads(line) for line in speeddial(project, "check", "--json").stdout.splitlines()]
    (shortest,) = (row["shortest_call_tokens"] for row in rows if row.get("name") == "note")
    assert len('{"name":"note","arguments":{}}') / 5 < shortest < 30


def test_check_names_every_problem_in_one_line(project: Path) -> None:
    good = speeddial(project, "check")
    assert good.returncode == EXIT_DONE, good.stdout
    assert "tool     note (write)" in good.stdout
    (project / "experts/adder/card.toml").write_text("summary = 1\ntools = ['x']\n", encoding="utf-8")
    bad = speeddial(project, "check")
    assert bad.returncode == EXIT_FAILED
    assert [line.split(": ")[1] for line in bad.stdout.splitlines() if line.startswith("problem")] == [
        "summary",
        "task",
    ]


def test_doctor_runs_the_canaries(project: Path) -> None:
    done = speeddial(project, "doctor")
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert "engine\tscripted\tok" in done.stdout and "setting\tmax_steps" in done.stdout


@pytest.mark.parametrize(
    ("allowed", "state", "code"), [("0", "failed", EXIT_ENGINE), ("1", "unproven", EXIT_DONE)]
)
def test_doctor_names_an_endpoint_without_proof_and_the_flag_that_mends_it(
    project: Path, allowed: str, state: str, code: int
) -> None:
    with ChatServer(latches=True).running() as server:
        model = f"vllm:base@{server.url}"
        done = process(project, "doctor", SPEEDDIAL_MODEL=model, SPEEDDIAL_ALLOW_UNPROVEN=allowed)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"engine\t{model}")]
    assert line.split("\t")[2] == state
    assert "an allOf of two after a plain schema was not enforced" in line
    assert SERVER_FLAG in line
    assert done.returncode == code


def test_show_says_what_was_not_proven_and_the_export_leaves_it_out(project: Path) -> None:
    with ChatServer(latches=True).running() as server:
        given = {"SPEEDDIAL_MODEL": f"vllm:base@{server.url}", "SPEEDDIAL_ALLOW_UNPROVEN": "1"}
        done = process(project, "call", "adder", "add", "--json", **given)
        result = json.loads(done.stdout)
        assert result["receipt"]["constrained"] is False
        assert result["unproven"].startswith("unproven: an allOf of two")
        shown = speeddial(project, "show", "last")
    assert "constraint: unproven: an allOf of two" in shown.stdout
    out = project / "out.jsonl"
    left = speeddial(project, "trace", "export", "--out", str(out))
    assert "0 examples" in left.stderr and "its constraint was not proven" in left.stderr
    asked = speeddial(project, "trace", "export", "--out", str(out), "--unproven")
    assert "1 examples" in asked.stderr


def test_no_colour_and_no_control_characters_when_piped(project: Path) -> None:
    done = process(project, "run", "adder: 2 and 3", SPEEDDIAL_MODEL=script(project, call("add", a=2, b=3)))
    assert "\x1b" not in done.stdout + done.stderr


def test_runs_are_filtered_and_searched(project: Path) -> None:
    model = script(project, call("add", a=1, b=2), call("note", text="buy marimba", mood="good"))
    for task in ("adder: add 1 and 2", "writer: note 北京市的订单"):
        assert speeddial(project, "run", task, SPEEDDIAL_MODEL=model, SPEEDDIAL_USER="ana").returncode == 0
        model = script(project, call("note", text="buy marimba", mood="good"))

    def listed(*arguments: str) -> list[str]:
        done = speeddial(project, *arguments, "--json")
        assert done.returncode == EXIT_DONE, done.stderr
        return [json.loads(line)["task"] for line in done.stdout.splitlines()]

    both = ["writer: note 北京市的订单", "adder: add 1 and 2"]
    assert listed("runs") == listed("trace", "list", "--user", "ana", "--since", "1h") == both
    assert listed("runs", "--expert", "adder") == listed("runs", "--tool", "add") == both[1:]
    assert listed("trace", "list", "--search", "marimba") == listed("runs", "--search", "京市") == both[:1]
    assert listed("runs", "--status", "done", "--workflow", "default", "--limit", "1") == both[:1]
    for arguments in (
        ["--user", "bo"],
        ["--until", "2020-01-01"],
        ["--status", "failed"],
        ["--search", "no"],
    ):
        assert listed("runs", *arguments) == []
    hits = speeddial(project, "trace", "search", "市的订", "--json").stdout.splitlines()
    assert {tuple(json.loads(line)["snippet"][1]) for line in hits} == {("市的订", True)}
    shown = speeddial(project, "trace", "search", "marimba", "--limit", "1").stdout
    assert "buy marimba" in shown and shown.count("\n") == 1
    wrong = speeddial(project, "runs", "--since", "yesterday")
    assert wrong.returncode == EXIT_USAGE
    assert "--since" in wrong.stderr and "next:" in wrong.stderr
