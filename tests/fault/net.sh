# shellcheck shell=bash disable=SC2034
# Shared by every script about faults; sourced, never run.  It brings tests/regress/lib.sh along, and
# a small Internet of network namespaces that nothing else on the machine notices:
#
#   hub 10.9.1.2 -- 10.9.1.1 router 10.9.2.1 -- 10.9.2.2 site, and other sites at 10.9.N.2
#
#   BUILD   build directory with the programs (build/release: faults are timed on what is installed)
#   FULL    anything: the long form, by hand or by night
. "$(dirname "${BASH_SOURCE[0]}")/../regress/lib.sh"

fault=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SWARM=${SWARM:-$BUILD/bench/swarm/swarm}
REAL_TUNNELD=$TUNNELD REAL_AGENT=$AGENT
HUB_ADDRESS=10.9.1.2 HUB_SSH=2222
TARGETS=10.9.0.1 # every site reaches them, whatever becomes of its way to the hub
net=t$$ # namespaces are $net.NAME
PATH=$PATH:/usr/sbin:/sbin

# --- namespaces -------------------------------------------------------------------------------

net_down() {
    local name
    for name in $(ip netns list 2>/dev/null | awk -v start="$net." 'index($1, start) == 1 {print $1}'); do
        ip netns del "$name" 2>/dev/null
    done
}
trap 'code=$?; net_down; (exit $code); finish' EXIT

# Where namespaces are not to be had, the script is skipped as a whole.
net_need() {
    local command
    for command in ip nft nsenter ss; do
        command -v "$command" >/dev/null || {
            skip "$script" "there is no command '$command'"
            exit 0
        }
    done
    if ! ip netns add "$net.try" 2>"$T/netns.err" || ! in_net try nft add table inet try 2>"$T/netns.err"; then
        skip "$script" "network namespaces are not allowed here: $(head -n 1 "$T/netns.err")"
        exit 0
    fi
    ip netns del "$net.try"
}
in_net() { # NAME COMMAND...
    local name=$1
    shift
    nsenter --net="/run/netns/$net.$name" "$@"
}
ip_in() { ip -n "$net.$1" "${@:2}"; }

net_add() { # NAME: with a loopback, without IPv6's own chatter, and with reno (bbr distorts loopback)
    ip netns add "$net.$1" || give_up
    in_net "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    in_net "$1" sysctl -qw net.ipv4.tcp_congestion_control=reno
    ip_in "$1" link set lo up
}
# net_link NAME N: NAME is 10.9.N.2 on a line to the router; its link there is called NAME, too.
net_link() {
    ip link add "$1" netns "$net.router" type veth peer name line netns "$net.$1" || give_up
    ip_in router addr add "10.9.$2.1/24" dev "$1"
    ip_in router link set "$1" up
    ip_in "$1" addr add "10.9.$2.2/24" dev line
    ip_in "$1" link set line up
    ip_in "$1" route add default via "10.9.$2.1"
}
net_up() { # SITE...: hub, router and these
    local name number=2
    net_need
    net_add router
    in_net router sysctl -qw net.ipv4.ip_forward=1
    ip_in router addr add "$TARGETS/32" dev lo
    in_net router nft 'add table inet way; add chain inet way pass { type filter hook forward priority 0; }'
    net_add hub
    net_link hub 1
    for name in "$@"; do
        net_add "$name"
        net_link "$name" "$number"
        number=$((number + 1))
    done
}

# --- faults on the way ------------------------------------------------------------------------

# silence MATCH...: what matches is dropped from now on, without a word.
silence() { in_net router nft add rule inet way pass "$@" counter drop; }
silence_site() { # ADDRESS: both ways
    silence ip saddr "$1"
    silence ip daddr "$1"
}
heal() { in_net router nft flush chain inet way pass; }
# A site gets another address, as after a new lease: the old one is gone, nobody says so to the hub.
change_address() { # NAME OLD NEW GATEWAY
    ip_in "$1" addr del "$2/24" dev line
    ip_in "$1" addr add "$3/24" dev line
    ip_in "$1" route replace default via "$4" src "$3"
}

# --- programs in their places -----------------------------------------------------------------

# place PROGRAM NAME: a command that runs it there, as the same process.
place() {
    local file=$T/${1##*/}.in.$2
    printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s %s "$@"\n' "$net.$2" "$1" >"$file"
    chmod 755 "$file"
    printf '%s' "$file"
}
agent_in() { AGENT=$(place "$REAL_AGENT" "$1"); }
fault_hub() { # LINE...: settings beside those of every hub here
    TUNNELD=$(place "$REAL_TUNNELD" hub)
    start_hub hub "listen: [\"0.0.0.0:$HUB_SSH\"]" "$@"
}
# fault_enrol SITE PLACE [LINE...]: there, with these settings in its agent.yaml.
fault_enrol() {
    local site=$1 place=$2 line
    shift 2
    agent_in "$place"
    need "keyfile for $site is issued" ctl keyfile issue "$site" --hub "$HUB_ADDRESS:$HUB_SSH" -o "$T/$site.keyfile"
    need "$site enrols" "$AGENT" enrol "$T/$site.keyfile" --yes --state "$T/agent.$site"
    for line in "$@"; do sed -i "s/^${line%%:*}:.*/$line/" "$T/agent.$site/agent.yaml"; done
}
# fault_target NAME MODE [ARGUMENT...]: it is $TARGETS:$PORT.
fault_target() {
    local name=$1 mode=$2
    shift 2
    spawn other "$name" nsenter --net="/run/netns/$net.router" "$PYTHON" "$regress/peer.py" serve "$mode" "$TARGETS" "$@"
    wait_for 10 grep -q '^port ' "$T/log/$name.out" || give_up
    PORT=$(sed -n 's/^port //p' "$T/log/$name.out" | head -n 1)
}
visit() { in_net hub "$PYTHON" "$regress/peer.py" visit "$@"; } # MODE ADDRESS PORT [ARGUMENT]
visitors() { in_net hub "$PYTHON" "$fault/visitors.py" "$@"; }
# spawn_visitors NAME MODE ARGUMENT...
spawn_visitors() {
    local name=$1
    shift
    spawn other "$name" nsenter --net="/run/netns/$net.hub" "$PYTHON" "$fault/visitors.py" "$@"
}
# The listening socket itself, whoever it is passed on to.
inode_of() { in_net hub ss -ltneH "sport = :$1" | sed -n 's/.* ino:\([0-9]*\).*/\1/p' | sort -u; }

# --- figures ----------------------------------------------------------------------------------

seconds() { printf '%d.%03d s' $(($1 / 1000)) $(($1 % 1000)); } # MILLISECONDS
figure() { printf '# %s\n' "$*"; }
publisher() { field ".[] | select(.site == \"$1\" and .role == \"publisher\") | .id" session list; }
# When the hub's log says that this session had logged in, in milliseconds of the wall clock.
login_ms() {
    date +%s%3N -d "$(grep -E "session=$1 .*to=up" "$T/log/hub.err" | head -n 1 | cut -d' ' -f1)"
}
# Of the hub's processes: parent first.
hub_pids() {
    echo "${pid_of[hub]}"
    field '.workers[].pid' status
}
hub_kib() { for pid in $(hub_pids); do rss_kib "$pid"; done | awk '{sum += $1} END {print sum + 0}'; }
hub_descriptors() { for pid in $(hub_pids); do find "/proc/$pid/fd" -mindepth 1; done | wc -l; }

# --- the swarm --------------------------------------------------------------------------------

# swarm_sites COUNT: sites with a grant each, enrolled; $T/sites lists them.
swarm_sites() {
    visitors prepare "$HUB_SOCKET" "$1" 10000 >"$T/sites" || give_up
    in_net hub "$SWARM" --hub "127.0.0.1:$HUB_SSH" --sites "$T/sites" --until-published >"$T/log/enrol.out" || {
        tail -n 3 "$T/log/enrol.out"
        give_up
    }
    sed -i 's/ .*/ -/' "$T/sites"
}
spawn_swarm() { # OPTION...
    : >"$T/log/swarm.out"
    spawn other swarm nsenter --net="/run/netns/$net.hub" "$SWARM" --hub "127.0.0.1:$HUB_SSH" --sites "$T/sites" "$@"
}
all_published() { [ "$(grep -c '^all ' "$T/log/swarm.out")" -ge "$1" ]; } # HOW_OFTEN

# --- visitors that keep coming ----------------------------------------------------------------

start_knocking() { # PORT
    rm -f "$T/enough"
    : >"$T/log/knock.out"
    spawn_visitors knock knock 127.0.0.1 "$1" "$T/enough"
    wait_for 5 grep -q ^visit "$T/log/knock.out"
}
# When the first visit ended well that ended after this moment.
first_served() { awk -v since="$1" '$1 == "visit" && $4 == "ok" && $3 > since && (!best || $3 < best) {best = $3} END {printf "%.0f\n", best}' "$T/log/knock.out"; }
# How visits ended that began between these moments.
visits() { awk -v from="$1" -v to="$2" '$1 == "visit" && $2 >= from && $2 < to {sum[$4]++} END {for (end in sum) printf "%s=%d ", end, sum[end]}' "$T/log/knock.out"; }
stop_knocking() { # NAME: the last one leaves
    touch "$T/enough"
    wait_check "$1: the last visitor has left" 60 exited knock
}
end_knocking() { # NAME: and all were served
    local code=0
    stop_knocking "$1"
    reap knock || code=$?
    check "$1: none of $(grep -c ^visit "$T/log/knock.out") visitors was refused" eval "[ $code = 0 ] || { grep ^sums '$T/log/knock.out'; false; }"
}
