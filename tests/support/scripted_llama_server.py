#!/usr/bin/env python3
"""A stand-in for llama-server that does what the prompt says, for everything around the engine.

The prompt's words are commands: ``say:WORD`` streams WORD, ``call:NAME:JSON`` a tool call in two pieces, ``die`` ends
the process, ``hang`` waits until the client leaves (and then writes ``left`` into the file named by SCRIPTED_LOG),
``gate`` waits until the file SCRIPTED_GATE exists, ``refuse`` answers 400, ``overflow`` answers that the prompt is too
long, ``fail`` streams an error. ``slow-start`` in SCRIPTED_MODE makes it refuse to be healthy until SCRIPTED_GATE
exists; ``never-start`` makes it exit with a message.

A word ``answer:BASE64`` anywhere in the prompt is the whole answer instead, said in pieces of three characters; the
last one counts, as the newest message is at the end.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

HOST = sys.argv[sys.argv.index("--host") + 1]
CONTEXT = int(sys.argv[sys.argv.index("--ctx-size") + 1]) // int(sys.argv[sys.argv.index("--parallel") + 1])
MODE = os.environ.get("SCRIPTED_MODE", "")
ANSWER = re.compile(r"answer:([A-Za-z0-9+/]+=*)")


def note(text: str) -> None:
    if log := os.environ.get("SCRIPTED_LOG"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def pieces(encoded: str) -> list[str]:
    text = base64.b64decode(encoded).decode()
    return [text[at : at + 3] for at in range(0, len(text), 3)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "local"

    def reply(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, value: Any) -> None:
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def do_GET(self) -> None:
        if MODE == "slow-start" and not Path(os.environ["SCRIPTED_GATE"]).exists():
            self.reply({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
        else:
            self.reply({"status": "ok"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note(f"{self.path} {json.dumps(body)}")
        if self.path == "/tokenize":
            self.reply({"tokens": list(range(len(body["content"].split())))})
        elif self.path == "/detokenize":
            self.reply({"content": " ".join(f"token{one}" for one in body["tokens"])})
        elif self.path == "/v1/embeddings":
            self.embed(body["input"])
        elif self.path == "/v1/rerank":
            self.rank(body["query"].split(), [one.split() for one in body["documents"]])
        elif self.path == "/apply-template":
            self.reply({"prompt": " ".join(one["content"] for one in body["messages"])})
        else:
            chat = self.path == "/v1/chat/completions"
            prompt = " ".join(one["content"] for one in body["messages"]) if chat else body["prompt"]
            text = prompt if isinstance(prompt, str) else prompt["prompt_string"]  # one with pictures
            self.answer(text.split(), body, chat=chat)

    def refusal(self, words: list[str]) -> dict[str, Any] | None:
        if "refuse" in words:
            return {"code": 400, "message": "refused", "type": "invalid_request_error"}
        if "overflow" in words or len(words) >= CONTEXT:
            error = {"code": 400, "message": "too long", "type": "exceed_context_size_error"}
            return error | {"n_prompt_tokens": len(words), "n_ctx": CONTEXT}
        return None

    def embed(self, inputs: list[str | list[int]]) -> None:
        """A vector tells the number of tokens."""
        data = []
        for index, one in enumerate(inputs):
            words = one.split() if isinstance(one, str) else [f"token{token}" for token in one]
            if refusal := self.refusal(words):
                self.reply({"error": refusal}, 400)
                return
            if "hang" in words:
                with contextlib.suppress(ConnectionResetError):
                    self.connection.recv(1)
                note("left")
                return
            data.append({"index": index, "embedding": [float(len(words)), 1.0]})
        tokens = int(sum(one["embedding"][0] for one in data))
        self.reply({"data": data[::-1], "usage": {"prompt_tokens": tokens}})

    def rank(self, query: list[str], documents: list[list[str]]) -> None:
        """A score tells how many words of the query a document has."""
        if refusal := self.refusal(query):
            self.reply({"error": refusal}, 400)
            return
        if "hang" in query:
            with contextlib.suppress(ConnectionResetError):
                self.connection.recv(1)
            note("left")
            return
        scores = [float(len({*query} & {*words})) for words in documents]
        results = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
        tokens = sum(len(query) + len(words) for words in documents)
        self.reply({"results": results[::-1], "usage": {"prompt_tokens": tokens}})

    def answer(self, words: list[str], body: dict[str, Any], *, chat: bool) -> None:
        if refusal := self.refusal(words):
            self.reply({"error": refusal}, 400)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        total = len(words)
        progress = {"total": total, "cache": 0, "processed": 0}
        self.event({"choices": [], "prompt_progress": progress} if chat else {"prompt_progress": progress})
        said = calls = 0
        limit = body["max_tokens"] if chat else body["n_predict"]
        if written := ANSWER.findall(" ".join(words)):
            words = [f"say:{piece}" for piece in pieces(written[-1])]
        for word in words:
            if word == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            elif word == "fail":
                self.event({"error": {"code": 500, "message": "it failed", "type": "server_error"}})
            elif word == "hang":
                with contextlib.suppress(ConnectionResetError):
                    self.connection.recv(1)
                note("left")
                return
            elif word == "gate":
                while not Path(os.environ["SCRIPTED_GATE"]).exists():
                    time.sleep(0.01)
            elif word.startswith("say:") and said < limit:
                said += 1
                content = word[4:]
                delta = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}
                self.event(delta if chat else {"content": content, "stop": False})
            elif word.startswith("call:") and said < limit:
                said += 1
                self.tool_call(calls, *word.split(":", 2)[1:])
                calls += 1
        timings = {"cache_n": 1, "prompt_n": total, "prompt_ms": 5.0, "predicted_n": said, "predicted_ms": 7.0}
        limited = said == limit
        if chat:
            finish = "length" if limited else "tool_calls" if calls else "stop"
            self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "timings": timings})
            self.chunk(b"data: [DONE]\n\n")
        else:
            stop_type = "limit" if limited else "eos"
            self.event({"content": "", "stop": True, "stop_type": stop_type, "timings": timings})
        self.chunk(b"")

    def tool_call(self, index: int, name: str, arguments: str) -> None:
        half = len(arguments) // 2
        first = {"id": f"id{index}", "type": "function", "function": {"name": name, "arguments": arguments[:half]}}
        for part in (first, {"function": {"arguments": arguments[half:]}}):
            delta = {"tool_calls": [{"index": index, **part}]}
            self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    if MODE == "never-start":
        sys.exit("cannot read the tensors")
    Server(HOST, Handler).serve_forever()
