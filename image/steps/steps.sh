# What every step needs: where things lie, and a cache by content. Sourced, never run.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
image=$project/image
cache=${BRANCHLINE_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/branchline/image}
architecture=arm64
target=aarch64-unknown-linux-gnu
# Updates are for this board alone.
board=$(sed -n 's/^compatible=//p' "$image/root/etc/rauc/system.conf")

export LC_ALL=C TZ=UTC
umask 022

# Every time stamp in the image is the last change of what it is made from.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$project" log -1 --format=%ct -- Cargo.lock appliance board image 2>/dev/null || true)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600}

say() { printf '  %-10s %s\n' "$1" "$2"; }

fail() {
    printf 'image: %s\n' "$1" >&2
    exit 1
}

# fingerprint FILE|FOLDER...: one hash over names, modes and contents.
fingerprint() {
    local path
    for path in "$@"; do
        (cd "$(dirname "$path")" && find "$(basename "$path")" \( -type f -o -type l \) -printf '%p %m %l\n' | sort &&
            find "$(basename "$path")" -type f -print0 | sort -z | xargs -0 --no-run-if-empty sha256sum)
    done | sha256sum | cut -c1-64
}

# step NAME INPUT...: leaves in $made the folder that `make_NAME FOLDER` filled, now or at an earlier time with the same
# inputs. An input is any text: a fingerprint, a version, the folder of an earlier step.
step() {
    local name=$1 key began
    shift
    key=$(printf '%s\n' "$@" "$(declare -f "make_$name")" | sed "s#$cache/##g" | sha256sum | cut -c1-20)
    made=$cache/$name-$key
    if [ -d "$made" ]; then
        say "$name" "as before"
        return
    fi
    say "$name" "..."
    began=$SECONDS
    rm -rf "$made.part"
    mkdir -p "$made.part"
    # Not in a condition: `set -e` must hold inside.
    "make_$name" "$made.part"
    mv "$made.part" "$made"
    say "$name" "$((SECONDS - began)) s, $(du -sm --apparent-size "$made" | cut -f1) MB"
}
