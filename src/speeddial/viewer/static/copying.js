// A call as text for elsewhere: JSON, Markdown, and a request for curl.
import { pretty } from "./format.js";
import { statusWord } from "./status.js";

export function asMarkdown(row) {
  const part = (title, text, language = "") => {
    if (text === "" || text == null) return [];
    // A fence longer than any in the text, so that the text cannot end it.
    const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((found) => found[0].length));
    const fence = "`".repeat(longest + 1);
    return ["", `### ${title}`, "", fence + language, text, fence];
  };
  const sure = row.confidence == null ? "" : `, confidence ${row.confidence.toFixed(2)}`;
  return [
    `## ${row.tool || row.expert || row.kind}: ${statusWord(row.status)}`,
    "",
    `Run ${row.run}, step ${row.step}, attempt ${row.attempt}${row.model && `, ${row.model}`}${sure}`,
    ...row.messages.flatMap(({ role, content }) => part(role, typeof content === "string" ? content : pretty(content))),
    ...part("Output", row.raw),
    ...part("Call", row.parsed && pretty(row.parsed), "json"),
    ...part("Arguments", row.arguments && pretty(row.arguments), "json"),
    ...part("Result", row.text),
    ...part("Error", row.error),
    "",
  ].join("\n");
}

/** The same request for any OpenAI-compatible server, in one shell command. */
export function asCurl(row) {
  const body = {
    model: row.model.replace(/^[^:]*:/, "") || "MODEL",
    messages: row.messages,
    ...(row.schema && {
      response_format: { type: "json_schema", json_schema: { name: "call", schema: row.schema, strict: true } },
    }),
    ...(!row.schema && row.tools.length && { tools: row.tools.map((tool) => ({ type: "function", function: tool })) }),
  };
  const quoted = `'${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  return `curl -s "$OPENAI_BASE_URL/chat/completions" -H 'Content-Type: application/json' -H "Authorization: Bearer $OPENAI_API_KEY" -d ${quoted}`;
}
