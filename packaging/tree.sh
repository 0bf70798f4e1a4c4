# shellcheck shell=bash
# Trees of a Debian release, made by debootstrap: for test-deb and test-debian, which source this.
# `root` is this project's directory; MIRROR says where packages come from.
MIRROR=${MIRROR:-http://deb.debian.org/debian}

# make_tree SUITE: kept in build/trees; its place is in the variable `kept`.
make_tree() {
    kept=$root/build/trees/$1
    [ ! -e "$kept/done" ] || return 0
    rm -rf "$kept"
    mkdir -p "$kept"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates "$1" "$kept/tree" "$MIRROR" \
        >"$kept/log" 2>&1 || {
        tail -n 5 "$kept/log"
        return 1
    }
    touch "$kept/done"
}

# in_tree TREE COMMAND [OPTION...]: with this machine's network, or what unshare's options say.
in_tree() {
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child "${@:3}" bash -c '
        mount --make-rprivate / && mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
            mount --rbind /sys "$1/sys" && exec chroot "$1" sh -c "$2"' in_tree "$1" \
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root; $2"
}

# copy_source DIRECTORY: this project, as a release would have it.  What is the same there stays as old
# as it is, what is not is new: a build in that directory goes by that.
copy_source() {
    local file
    mkdir -p "$1"
    (cd "$root" && find . \( -path ./build -o -path ./.git \) -prune -o -type f -print0) |
        while IFS= read -r -d '' file; do
            cmp -s "$root/$file" "$1/$file" && continue
            mkdir -p "$1/${file%/*}" && cp --preserve=mode "$root/$file" "$1/$file" || return
        done
}
