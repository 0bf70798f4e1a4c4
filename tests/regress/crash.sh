# shellcheck shell=bash
# Shared by the scripts that kill at named places (base/crash_point.h); sourced after lib.sh.

crash_file=$T/crash_point
printf '%64s' '' >"$crash_file"
chmod 666 "$crash_file" # a worker is another user
# The file keeps its size: the programs have it mapped.
crash_at() { printf '%s\0' "$1" 1<>"$crash_file"; }
was_hit() { [ "$(head -c 3 "$crash_file")" = hit ]; }
# The mark is made just before the kill.  A worker is its parent's to see to.
victim_is_gone() { # POINT
    case $1 in
    parent.*) exited hub ;;
    agent.*) exited agent.hannover ;;
    file.*) exited hub || exited agent.hannover ;;
    esac
}
with_crash() { TUNNEL_CRASH_FILE=$crash_file "$@"; }

has_crash_points() {
    grep -q TUNNEL_CRASH_FILE "$TUNNELD" || {
        skip "kill -9 at each step" "built without TUNNEL_CRASH_POINTS"
        return 1
    }
}

# The hub is started again if it was killed; its workers come back by themselves.
hub_again() {
    if exited hub; then
        reap hub
        with_crash start_hub_again hub
    fi
    wait_for 20 holds '.workers | length > 0 and all(.pid != null)' status
}
start_crashing_agent() { TUNNEL_CRASH_FILE=$crash_file start_agent hannover; }
agent_again() {
    if exited agent.hannover; then
        reap agent.hannover
        start_crashing_agent
    fi
}
