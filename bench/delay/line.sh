# shellcheck shell=bash
# A delay line between two network namespaces of one's own; sourced, never run (line.c says what it is).
#
#   line_up NAME ROUND-TRIP-MS [MIB-A-SECOND]    namespaces NAME.near (10.77.0.1) and NAME.far (10.77.0.2)
#   in_line NAME.near COMMAND...                 runs it there
#   line_down NAME
#
#   LINE    the program (bench/delay/line of the build directory)
# TCP is reno in both, because bbr, where a machine has it, distorts what is measured within one machine;
# buffers are the kernel's defaults.

declare -A line_pid=()

in_line() { nsenter --net="/run/netns/$1" "${@:2}"; }

line_end() { # NAMESPACE ADDRESS
    ip netns add "$1" || return 1
    in_line "$1" sysctl -qw net.ipv4.tcp_congestion_control=reno net.ipv6.conf.all.disable_ipv6=1
    # What one transfer learned about the way must not change the next one.
    in_line "$1" sysctl -qw net.ipv4.tcp_no_metrics_save=1
    ip -n "$1" link set lo up
}

line_device() { # NAMESPACE ADDRESS: a queue that never drops
    ip -n "$1" link set line txqueuelen 20000 mtu 1500 &&
        ip -n "$1" addr add "$2/24" dev line && ip -n "$1" link set line up
}

line_up() {
    line_end "$1.near" && line_end "$1.far" || return 1
    exec {line_out}< <(exec "$LINE" "$1.near" "$1.far" "${@:2}")
    line_pid[$1]=$!
    read -r -u "$line_out" _ && line_device "$1.near" 10.77.0.1 && line_device "$1.far" 10.77.0.2
}

line_down() {
    [ -z "${line_pid[$1]:-}" ] || kill "${line_pid[$1]}" 2>/dev/null
    ip netns del "$1.near" 2>/dev/null
    ip netns del "$1.far" 2>/dev/null
}
