# What the builds of plugins in C share; sourced by their `build`.
#
#   tools                   the compilers that are needed, or exit code 77 with a line that says what is
#                           missing
#   compile OUT FLAGS FILES objects of all files into the static library OUT, for wasm32 or, where
#                           $NATIVE is set, for this machine with the same optimisation
#   debian NAME VERSION SUM the source package of Debian, its archive checked by SHA-256, unpacked in
#                           $WORK; the folder is printed
#   plugin                  the component, by cargo

set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)"
TARGET="${CARGO_TARGET_DIR:-$HERE/target}"
NAME="$(basename "$HERE")"
WORK="$TARGET/c/$NAME"
SYSROOT="${WASI_SYSROOT:-/usr}"
mkdir -p "$WORK"

missing() {
    echo "$NAME: $1 is missing; on Debian: apt-get install --no-install-recommends clang-22 lld-22 \
llvm-22 wasi-libc libclang-rt-22-dev-wasm32" >&2
    exit 77
}

find_tool() {
    local name
    for name in "$@"; do
        if command -v "$name" >/dev/null; then
            echo "$name"
            return
        fi
    done
    missing "$1"
}

tools() {
    CLANG="$(find_tool clang-22 clang-21 clang-20 clang-19)"
    AR="$(find_tool "${CLANG/clang/llvm-ar}" llvm-ar)"
    [ -e "$SYSROOT/lib/wasm32-wasi/libc.a" ] || missing "wasi-libc"
}

compile() {
    local out="$1" flags="$2" target file object status=0
    shift 2
    if [ -n "${NATIVE:-}" ]; then
        target="-fPIC"
    else
        target="--target=wasm32-wasi --sysroot=$SYSROOT -isystem $SYSROOT/include/wasm32-wasi -msimd128"
    fi
    local objects=() pids=() command="$CLANG $target -O2 -w -fno-strict-aliasing $flags"
    # What was compiled in the same way stays.
    [ "$(cat "$out.how" 2>/dev/null)" = "$command" ] || rm -rf "$out.d"
    mkdir -p "$out.d"
    echo "$command" >"$out.how"
    for file in "$@"; do
        object="$out.d/$(echo "$file" | tr / _ | tail -c 120).o"
        objects+=("$object")
        [ "$object" -nt "$file" ] && continue
        # shellcheck disable=SC2086
        $command -c "$file" -o "$object.new" && mv "$object.new" "$object" &
        pids+=($!)
        if [ "${#pids[@]}" -ge "$(nproc)" ]; then
            wait "${pids[0]}" || status=1
            pids=("${pids[@]:1}")
        fi
    done
    for file in "${pids[@]}"; do
        wait "$file" || status=1
    done
    [ "$status" = 0 ] || exit 1
    rm -f "$out"
    "$AR" rcs "$out" "${objects[@]}"
}

debian() {
    local package="$1" version="$2" sum="$3" root="$WORK/apt"
    local archive="${package}_$version.orig.tar.gz"
    local folder="$WORK/$package-$version"
    if [ ! -d "$folder" ]; then
        if [ ! -e "$WORK/$archive" ]; then
            command -v apt-get >/dev/null || missing "apt-get"
            mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
            # A root of its own: the machine's lists and sources stay as they are.
            echo "deb-src ${DEBIAN_MIRROR:-http://deb.debian.org/debian} bookworm main" >"$root/sources"
            cat >"$root/apt.conf" <<EOF
Dir::Etc::sourcelist "$root/sources";
Dir::Etc::sourceparts "$root/none";
Dir::State::lists "$root/lists";
Dir::Cache "$root/cache";
APT::Sandbox::User "";
EOF
            (
                cd "$WORK"
                export APT_CONFIG="$root/apt.conf"
                apt-get update -q && apt-get source -q --download-only "$package"
            ) >"$root/log" 2>&1 || {
                echo "$NAME: the source of $package cannot be fetched (see $root/log)" >&2
                exit 77
            }
        fi
        echo "$sum  $WORK/$archive" | sha256sum --check --quiet >&2
        tar -xzf "$WORK/$archive" -C "$WORK"
    fi
    echo "$folder"
}

plugin() {
    cd "$HERE"
    REMOLD_C_LIBRARY="$WORK" REMOLD_C_SYSROOT="$SYSROOT/lib/wasm32-wasi" \
        CARGO_TARGET_DIR="$TARGET" cargo build --release --locked
    echo "$TARGET/wasm32-unknown-unknown/release/${NAME//-/_}.wasm"
}
