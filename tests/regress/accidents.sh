# shellcheck shell=bash
# Shared by the scripts about accidents; sourced after lib.sh, never run.
#
#   CLIENT   the SSH client on libssh2 (BUILD/tests/regress/client)

CLIENT=${CLIENT:-$BUILD/tests/regress/client}
[ -x "$CLIENT" ] || {
    echo "$script: there is no $CLIENT; build the target 'client', or name it with CLIENT" >&2
    exit 1
}

accidents() { "$PYTHON" "$regress/accidents.py" "$@"; }
client() { "$CLIENT" "$1" 127.0.0.1 "$HUB_PORT" "${@:2}"; }
token_id() { token_of "$1" | cut -d. -f1; }
is_sanitized() { grep -q __asan_init "$TUNNELD"; }

# start_hub_on_port NAME [LINE...]: on a port that a restarted hub takes again.
start_hub_on_port() {
    local name=$1 port
    shift
    read -r port <<<"$(free_ports 1)"
    start_hub "$name" "listen: [\"127.0.0.1:$port\"]" "$@"
}
# What is running has one key for the site, and it is the one in this file.
only_key() { # SITE PUBLIC_KEY
    holds ".keys | length == 1 and .[0].state == \"current\" and .[0].fingerprint == \"$(fingerprint "$2")\"" \
        site show "$1"
}
# one_sentence NAME PATTERN: what the last `try` said on standard error.
one_sentence() {
    sed -i '/: line [0-9]*: .*Killed /d' "$T/try.err" # the shell's own words
    if [ "$(grep -c . "$T/try.err")" = 1 ] && grep -Eiq -- "$2" "$T/try.err"; then
        ok "$1"
    else
        not_ok "$1" "exit code $RC; one line on standard error that matches '$2' was wanted:
$(cut -c1-400 "$T/try.err")"
    fi
}
