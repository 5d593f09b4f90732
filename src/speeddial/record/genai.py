"""Names and ids of spans.

The names are those of OpenTelemetry's GenAI conventions as they stood in November 2026, in their own
repository and still called development. Kept here because the ``gen_ai.*`` constants of
`opentelemetry-semantic-conventions` are all marked deprecated ("moved") and none exists for plans and
workflows.
"""

from __future__ import annotations

import hashlib

OPERATION = "gen_ai.operation.name"
INVOKE_WORKFLOW = "invoke_workflow"
INVOKE_AGENT = "invoke_agent"
PLAN = "plan"
CHAT = "chat"
EXECUTE_TOOL = "execute_tool"

WORKFLOW_NAME = "gen_ai.workflow.name"
AGENT_NAME = "gen_ai.agent.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
OUTPUT_TYPE = "gen_ai.output.type"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"
TOOL_DESCRIPTION = "gen_ai.tool.description"

EVALUATION = "gen_ai.evaluation.result"
"""Name of an event on the span that is judged, by a validator or a person."""
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"

# Content: only on request.
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

CONTENT = frozenset(
    {
        SYSTEM_INSTRUCTIONS,
        INPUT_MESSAGES,
        OUTPUT_MESSAGES,
        TOOL_DEFINITIONS,
        TOOL_ARGUMENTS,
        TOOL_RESULT,
        EVALUATION_EXPLANATION,
    }
)
"""Attributes that hold what people, models and tools said."""


def trace_id(run: str) -> int:
    """The 128-bit trace id of a run."""
    return int.from_bytes(hashlib.sha256(f"speeddial run {run}".encode()).digest()[:16]) or 1


def span_id(run: str, name: str) -> int:
    """The 64-bit id of one span of a run; an interaction's `name` is its id in decimal."""
    return int.from_bytes(hashlib.sha256(f"speeddial span {run} {name}".encode()).digest()[:8]) or 1
