"""llama-cpp-python answering for `benchmarks.peers`, in an environment of its own, by lines of JSON.

It is built from source (minutes), so it is not imported beside the engines that it is compared with. The
first line says what to load; each further one is a prompt, as token ids, and what comes back was timed here.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    import llama_cpp

    given: dict[str, Any] = json.loads(sys.stdin.readline())
    began = time.perf_counter()
    model = llama_cpp.Llama(
        given["model"],
        lora_path=given["lora"],
        n_ctx=2048,
        n_threads=given["threads"],
        n_threads_batch=given["threads"],
        verbose=False,
    )
    grammar = llama_cpp.LlamaGrammar.from_json_schema(given["schema"], verbose=False)
    tell({"version": llama_cpp.__version__, "seconds": time.perf_counter() - began})
    for line in sys.stdin:
        began = time.perf_counter()
        # The prompt's beginning stays in its cache from one call to the next by itself.
        reply: Any = model.create_completion(
            json.loads(line), grammar=grammar, max_tokens=given["max_tokens"], temperature=0.0
        )
        text = reply["choices"][0]["text"]
        tell({"text": text, "ms": (time.perf_counter() - began) * 1000})


def tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
