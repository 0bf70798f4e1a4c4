# shellcheck shell=bash disable=SC2034
# Shared by every regress script: a directory of its own, hubs, agents, stock clients, checks.
# Sourced, never run.  A script says what it expects with `check`, `refused`, `wait_check`; the
# exit trap stops what was started (by pid), wants exit code 0 from every hub and agent that it
# stops, and fails the script if any program printed a sanitizer's report.
#
#   BUILD    build directory with the programs (build/dev)
#   WORKERS  workers of each hub (1)
#   SLOW     factor for every deadline (1)

set -u -o pipefail
export LC_ALL=C

script=$(basename "$0")
regress=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$regress/../.." && pwd)
BUILD=${BUILD:-$root/build/dev}
WORKERS=${WORKERS:-1}
SLOW=${SLOW:-1}
TUNNELD=$BUILD/tunneld/tunneld
AGENT=$BUILD/tunnel-agent/tunnel-agent
CTL=$BUILD/tunnelctl/tunnelctl
for program in "$TUNNELD" "$AGENT" "$CTL"; do
    [ -x "$program" ] || {
        echo "$script: there is no $program; build first, or name the build directory with BUILD" >&2
        exit 1
    }
done
PYTHON=$(PATH=/usr/bin:/bin command -v python3)

T=$(mktemp -d "${TMPDIR:-/tmp}/regress.XXXXXX")
chmod 711 "$T" # nginx reads its pages as another user
mkdir -m 711 "$T/www"
mkdir -m 700 "$T/home" "$T/tmp" "$T/run" "$T/log"
export HOME=$T/home TMPDIR=$T/tmp XDG_RUNTIME_DIR=$T/run
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY NOTIFY_SOCKET
unset XDG_STATE_HOME XDG_CONFIG_HOME TUNNELD_SOCKET SSH_AUTH_SOCK SSH_ASKPASS DISPLAY
export ASAN_OPTIONS=detect_leaks=1:exitcode=99:quarantine_size_mb=16:${ASAN_OPTIONS:-}
# libssh2 1.11 forgets the key for a MAC that AES-GCM does not have, twice in each session.
case $(pkg-config --modversion libssh2 2>/dev/null) in
1.11.*)
    echo 'leak:libssh2.so' >"$T/leaks"
    export LSAN_OPTIONS=suppressions=$T/leaks:print_suppressions=0
    ;;
esac
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

checks_failed=0
declare -A pid_of=() kind_of=() socket_of=() port_of=()

# --- verdicts ---------------------------------------------------------------------------------

ok() { printf 'ok %s\n' "$1"; }
not_ok() {
    printf 'not ok %s\n' "$1"
    [ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/    /'
    checks_failed=$((checks_failed + 1))
}
skip() { printf 'skip %s # %s\n' "$1" "$2"; }
give_up() {
    printf '# %s: given up\n' "$script"
    exit 1
}

# check NAME COMMAND...: ok when the command succeeds; its output is shown when it does not.
check() {
    local name=$1
    shift
    if "$@" >"$T/check.out" 2>&1; then
        ok "$name"
    else
        not_ok "$name" "$(
            echo "\$ $*"
            tail -n 12 "$T/check.out"
        )"
        return 1
    fi
}
need() { check "$@" || give_up; }

# fails COMMAND...: success when the command does not succeed.
fails() { ! "$@"; }

# COMMAND | shows GREP'S ARGUMENTS: like `grep -q`, but reads to the end: that stops at the first
# match, and a command that still writes then fails of it, and the pipe with it.
shows() {
    local text
    text=$(tr -d '\0')
    grep -q "$@" <<<"$text"
}

# try COMMAND...: leaves RC, OUT and ERR.
try() {
    RC=0
    "$@" >"$T/try.out" 2>"$T/try.err" </dev/null || RC=$?
    OUT=$(tr -d '\0' <"$T/try.out")
    ERR=$(tr -d '\0' <"$T/try.err")
    cat "$T/try.err" >>"$T/log/try.err"
}

# refused NAME CODE PATTERN COMMAND...: it exits with CODE and says one sentence that matches.
refused() {
    local name=$1 code=$2 pattern=$3 lines
    shift 3
    try "$@"
    lines=$(grep -c . "$T/try.err")
    if [ "$RC" = "$code" ] && [ "$lines" = 1 ] && grep -Eiq -- "$pattern" "$T/try.err"; then
        ok "$name"
    else
        not_ok "$name" "\$ $*
exit code $RC (wanted $code), $lines lines on standard error (wanted 1, matching '$pattern'):
$(tail -n 12 "$T/try.err" | cut -c1-400)"
        return 1
    fi
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# wait_for SECONDS COMMAND...: asks every 50 ms until it succeeds or the time is over.
wait_for() {
    local end=$(($(now_ms) + $1 * 1000 * SLOW))
    shift
    until "$@" >"$T/wait.out" 2>&1; do
        [ "$(now_ms)" -lt "$end" ] || return 1
        sleep 0.05
    done
}
wait_check() {
    local name=$1 seconds=$2
    shift 2
    if wait_for "$seconds" "$@"; then
        ok "$name"
    else
        not_ok "$name" "$(
            echo "still not true after $seconds s: $*"
            tail -n 12 "$T/wait.out"
        )"
        return 1
    fi
}
wait_need() { wait_check "$@" || give_up; }

# --- processes --------------------------------------------------------------------------------

# spawn KIND NAME COMMAND...: in the background; output in log/NAME.out and log/NAME.err.
# KIND daemon: has to exit with 0 when it is stopped.  KIND other: as it likes.
spawn() {
    local kind=$1 name=$2
    shift 2
    "$@" >>"$T/log/$name.out" 2>>"$T/log/$name.err" </dev/null &
    pid_of[$name]=$!
    kind_of[$name]=$kind
}

running() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" && case ${stat##*) } in Z* | X*) false ;; esac
}
gone() { ! running "$1"; }
exited() { gone "${pid_of[$1]}"; }

# reap NAME: waits for a process that ends by itself; its exit code.
reap() {
    local pid=${pid_of[$1]} code=0
    wait_for "${2:-30}" gone "$pid" || kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null || code=$?
    unset "pid_of[$1]"
    return "$code"
}

# stop NAME: TERM, at most 15 s, then KILL.
stop() {
    local name=$1 pid=${pid_of[$1]:-} code=0
    [ -n "$pid" ] || return 0
    kill -CONT "$pid" 2>/dev/null
    kill -TERM "$pid" 2>/dev/null
    if ! wait_for 15 gone "$pid"; then
        kill -KILL "$pid" 2>/dev/null
        not_ok "$name ends within 15 s of SIGTERM"
    fi
    wait "$pid" 2>/dev/null || code=$?
    unset "pid_of[$name]"
    if [ "${kind_of[$name]}" = daemon ] && [ "$code" != 0 ]; then
        not_ok "$name exits with 0 on SIGTERM" "exit code $code
$(tail -n 5 "$T/log/$name.err")"
    fi
}

# crash NAME: kill -9.
crash() {
    kill -KILL "${pid_of[$1]}"
    wait "${pid_of[$1]}" 2>/dev/null
    unset "pid_of[$1]"
}

sanitizer_reports() {
    grep -lE 'ERROR: [A-Za-z]+Sanitizer|SUMMARY: [A-Za-z]+Sanitizer|runtime error:|LeakSanitizer has encountered' \
        "$T"/log/*.err 2>/dev/null
}

finish() {
    local code=$? name log
    trap - EXIT INT TERM HUP
    # Clients and agents first, then hubs, so that each can say goodbye.
    for name in "${!pid_of[@]}"; do [ -n "${socket_of[$name]:-}" ] || stop "$name"; done
    for name in "${!pid_of[@]}"; do stop "$name"; done
    for log in $(sanitizer_reports); do
        not_ok "no sanitizer report in $(basename "$log")" "$(
            grep -nE -A 25 'ERROR: |SUMMARY: |runtime error:|LeakSanitizer has' "$log" | head -n 60
        )"
    done
    [ "$code" = 0 ] || checks_failed=$((checks_failed + 1))
    if [ "$checks_failed" = 0 ] && [ -z "${KEEP:-}" ]; then
        rm -rf "$T"
    else
        for log in "$T"/log/*.err; do
            [ -s "$log" ] || continue
            printf -- '--- end of %s\n' "$log"
            tail -n 15 "$log" | cut -c1-300
        done
        printf '# logs kept in %s\n' "$T"
    fi
    exit $((checks_failed > 0))
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- the hub ----------------------------------------------------------------------------------

# free_ports N [ADDRESS]: that many ports nobody listens on at this moment, on one line.
free_ports() { "$PYTHON" "$regress/peer.py" free "$@"; }

have_ipv6() { "$PYTHON" "$regress/peer.py" free 1 ::1 >/dev/null 2>&1; }

# hub_settings NAME [LINE...]: writes NAME.yaml; a given line replaces the default of that name.
hub_settings() {
    local name=$1 file=$T/$1.yaml line
    shift
    : >"$file"
    for line in 'listen: ["127.0.0.1:0"]' "state_dir: $T/$name" "control_socket: $T/$name.sock" \
        "workers: $WORKERS" 'forward_address: 127.0.0.1' 'log_level: debug'; do
        case " $* " in
        *" ${line%%:*}: "*) ;;
        *) printf '%s\n' "$line" >>"$file" ;;
        esac
    done
    for line in "$@"; do printf '%s\n' "$line" >>"$file"; done
}

# start_hub [NAME [LINE...]]: starts it, waits until it answers, makes it the one `ctl` talks to.
start_hub() {
    local name=${1:-hub}
    [ $# = 0 ] || shift
    hub_settings "$name" "$@"
    start_hub_again "$name"
}
start_hub_again() {
    local name=$1
    spawn daemon "$name" "$TUNNELD" -c "$T/$name.yaml"
    socket_of[$name]=$T/$name.sock
    use_hub "$name"
    wait_for 20 ctl status || {
        not_ok "$name starts" "$(tail -n 5 "$T/log/$name.err")"
        give_up
    }
    port_of[$name]=$(field '.listen[0]' status)
    port_of[$name]=${port_of[$name]##*:}
    use_hub "$name"
    ctl --json host-key show | jq -r '.[].line' | while read -r line; do
        printf '[127.0.0.1]:%s %s\n[::1]:%s %s\n' "$HUB_PORT" "$line" "$HUB_PORT" "$line"
    done >"$T/known_hosts.$name"
}
use_hub() {
    HUB=$1
    HUB_SOCKET=${socket_of[$1]}
    HUB_PORT=${port_of[$1]:-0}
    KNOWN_HOSTS=$T/known_hosts.$1
}
# stop_hub NAME: and none of its workers stays behind.
stop_hub() {
    local name=$1 pids pid
    use_hub "$name"
    pids=$(field '.workers[].pid' status)
    stop "$name"
    for pid in $pids; do
        wait_for 5 gone "$pid" || not_ok "worker $pid of $name ends with it"
    done
}

# What it says on standard error is there when it returns, and kept.
ctl() {
    local said code=0
    { said=$("$CTL" --socket "$HUB_SOCKET" --yes "$@" 2>&1 >&3 3>&-) || code=$?; } 3>&1
    [ -z "$said" ] || printf '%s\n' "$said" | tee -a "$T/log/ctl.err" >&2
    return "$code"
}
# field FILTER VERB...: what jq finds in the verb's data.
field() {
    local filter=$1
    shift
    ctl --json "$@" | jq -r "$filter"
}
# holds FILTER VERB...: true when the filter says true of the verb's data.
holds() {
    local filter=$1
    shift
    ctl --json "$@" | tee "$T/holds.out" | jq -e "$filter" >/dev/null || {
        head -c 1500 "$T/holds.out"
        return 1
    }
}
event_seen() { holds "any(.[]; .event == \"$1\" and (.site == \"${2:-}\" or \"${2:-}\" == \"\"))" events; }
event_count() { field "[.[] | select(.event == \"$1\")] | length" events; }
logged() { grep -Eq -- "$2" "$T/log/$1.err"; }
published() { holds "any(.[]; .site == \"$1\" and (.listen | endswith(\":$2\")) and .state == \"published\")" forward list; }
not_published() { ! published "$@"; }
online() { holds "any(.[]; .name == \"$1\" and .state == \"online\")" site list; }
offline() { holds "any(.[]; .name == \"$1\" and .state == \"offline\")" site list; }

# issue SITE [OPTION...]: SITE.keyfile for the present hub.
issue() {
    local site=$1
    shift
    rm -f "$T/$site.keyfile"
    ctl keyfile issue "$site" --hub "127.0.0.1:$HUB_PORT" -o "$T/$site.keyfile" "$@"
}
token_of() { sed -n 's/^token: *//p' "$1" | tr -d "\"'"; }

# add_site SITE [LISTEN TARGET]...: with its grants.
add_site() {
    local site=$1
    shift
    need "site $site is added" ctl site add "$site"
    while [ $# -ge 2 ]; do
        need "$site may publish $1" ctl port allow "$site" "$1" --target "$2"
        shift 2
    done
}

# --- the agent --------------------------------------------------------------------------------

# enrol SITE [OPTION...]: issues a keyfile with these options and enrols with it.
enrol() {
    need "keyfile for $1 is issued" issue "$@"
    need "$1 enrols" "$AGENT" enrol "$T/$1.keyfile" --yes --state "$T/agent.$1"
}
# start_agent SITE [STATE]: on the state in agent.SITE; the process is called as its state.
start_agent() {
    local state=${2:-agent.$1} before=0
    before=$(stat -c %s "$T/log/$state.err" 2>/dev/null)
    spawn daemon "$state" "$AGENT" run --state "$T/$state" -v
    wait_for 10 has_said_more "$T/log/$state.err" "${before:-0}" # it minds signals now
}
has_said_more() { [ "$(stat -c %s "$1")" -gt "$2" ]; }

# --- stock clients ----------------------------------------------------------------------------

# stock KEY [OPTION...] USER@HOST...: OpenSSH's client, with nothing from this machine's settings.
stock() {
    stock_command "$1"
    shift
    "${STOCK[@]}" "$@"
}
# spawn_stock NAME KEY ...: the same in the background.
spawn_stock() {
    local name=$1
    stock_command "$2"
    shift 2
    spawn other "$name" "${STOCK[@]}" "$@"
}
stock_command() {
    STOCK=(ssh -F none -p "$HUB_PORT" -i "$1" -o IdentitiesOnly=yes -o BatchMode="${BATCH:-yes}"
        -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$KNOWN_HOSTS"
        -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=10)
}
new_key() { ssh-keygen -q -t ed25519 -N '' -C '' -f "$1"; }
fingerprint() { ssh-keygen -lf "$1" | cut -d' ' -f2; }

# askpass TOKEN: makes SSH_ASKPASS answer with it; the prompts end up in askpass.log.
askpass() {
    printf '%s\n' "$1" >"$T/askpass.answer"
    cat >"$T/askpass" <<ASKPASS
#!/bin/sh
printf '%s\n' "\$1" >>"$T/askpass.log"
cat "$T/askpass.answer"
ASKPASS
    chmod 700 "$T/askpass"
    : >"$T/askpass.log"
}
# stock_enrol KEY [OPTION...]: ssh enrol@hub, the token through SSH_ASKPASS.
stock_enrol() {
    local key=$1
    shift
    SSH_ASKPASS=$T/askpass SSH_ASKPASS_REQUIRE=force BATCH=no stock "$key" \
        -o NumberOfPasswordPrompts=1 "$@" enrol@127.0.0.1
}
# enrol_stock SITE [OPTION...]: enrols SITE.key with a stock ssh; it stays pending.
enrol_stock() {
    need "keyfile for $1 is issued" issue "$@"
    new_key "$T/$1.key"
    askpass "$(token_of "$T/$1.keyfile")"
    need "$1 enrols with ssh" stock_enrol "$T/$1.key"
}

# --- visitors and targets ---------------------------------------------------------------------

peer() { "$PYTHON" "$regress/peer.py" "$@"; }
# spawn_visit NAME MODE ADDRESS PORT [ARGUMENT]: a visitor in the background.
spawn_visit() {
    local name=$1
    shift
    spawn other "$name" "$PYTHON" "$regress/peer.py" visit "$@"
}
# target NAME MODE [ADDRESS [ARGUMENT...]]: a target in the background; its port is in PORT.
target() {
    local name=$1 mode=$2 address=${3:-127.0.0.1}
    shift $(($# < 3 ? $# : 3))
    spawn other "$name" "$PYTHON" "$regress/peer.py" serve "$mode" "$address" "$@"
    wait_for 10 grep -q '^port ' "$T/log/$name.out" || {
        not_ok "target $name starts" "$(cat "$T/log/$name.err")"
        give_up
    }
    PORT=$(sed -n 's/^port //p' "$T/log/$name.out" | head -n 1)
}
# start_nginx NAME CONFIGURATION: nginx with these lines inside http { }; it serves $T/www.
start_nginx() {
    local name=$1 user="" program
    program=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx) || {
        not_ok "nginx is installed"
        give_up
    }
    [ "$(id -u)" != 0 ] || user="user www-data;"
    mkdir -m 711 "$T/$name"
    cat >"$T/$name.conf" <<CONF
$user daemon off; worker_processes 1; pid $T/$name/pid; error_log $T/log/$name.log;
events { worker_connections 512; }
http {
    client_body_temp_path $T/$name/body; proxy_temp_path $T/$name/proxy;
    fastcgi_temp_path $T/$name/fastcgi; uwsgi_temp_path $T/$name/uwsgi; scgi_temp_path $T/$name/scgi;
    $2
}
CONF
    printf 'a page of hannover\n' >"$T/www/index.html"
    chmod 644 "$T/www/index.html"
    chmod 755 "$T/www"
    spawn other "$name" "$program" -c "$T/$name.conf" -e "$T/log/$name.log"
}
fetch() { curl -sS --fail --max-time "$((20 * SLOW))" "$@"; }
rss_kib() { awk '/^VmRSS:/ {print $2}' "/proc/$1/status"; }
same() { [ "$1" = "$2" ] || { printf "'%s' is not '%s'\n" "$1" "$2"; return 1; }; }
at_most() { [ "$1" -le "$2" ] || { printf '%s is more than %s\n' "$1" "$2"; return 1; }; }
at_least() { [ "$1" -ge "$2" ] || { printf '%s is less than %s\n' "$1" "$2"; return 1; }; }
