# The daemon for the board: with rustup's standard library for it where that is installed, else with Debian's compiler.

make_std() { apt_unpack "$1" libstd-rust-web-dev; }

daemon_compiler() {
    rustc_for_board=$(command -v rustc || true)
    rust_flags=
    if [ -n "$rustc_for_board" ] && [ -d "$("$rustc_for_board" --print sysroot)/lib/rustlib/$target" ]; then
        return
    fi
    rustc_for_board=/usr/bin/rustc
    local own
    own=$("$rustc_for_board" --version | cut -d' ' -f2)
    case $(apt_version libstd-rust-web-dev) in
    "$own"*) ;;
    *) fail "Debian's standard library for the board is not of rustc $own; try: apt-get install rustc-web, or rustup target add $target" ;;
    esac
    step std "$(apt_version libstd-rust-web-dev)"
    rust_flags="--sysroot=$made/usr"
}

# What the daemon links with on the board beside the C library: sound devices.
make_libraries() { apt_unpack "$1" libasound2 libasound2-dev; }

make_daemon() {
    local flags prefix paths="$cache=/build $project=/branchline ${CARGO_HOME:-$HOME/.cargo}=/cargo"
    flags=$rust_flags
    local c_flags=
    for prefix in $paths; do
        flags+=" --remap-path-prefix=$prefix"
        c_flags+=" -ffile-prefix-map=$prefix"
    done
    (
        cd "$project"
        export RUSTC=$rustc_for_board CARGO_TARGET_DIR=$cache/cargo
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$flags
        export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CFLAGS_aarch64_unknown_linux_gnu=$c_flags
        export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR=$libraries
        export PKG_CONFIG_LIBDIR=$libraries/usr/lib/aarch64-linux-gnu/pkgconfig:$libraries/usr/share/pkgconfig
        export CARGO_PROFILE_RELEASE_STRIP=symbols CARGO_PROFILE_RELEASE_DEBUG=false
        unset CARGO_ENCODED_RUSTFLAGS RUSTFLAGS RUSTUP_TOOLCHAIN
        "${CARGO:-cargo}" build --release --locked --target "$target" --package branchline-pbx
    )
    install -m 755 "$cache/cargo/$target/release/branchline" "$1/branchline"
}

build_daemon() {
    daemon_compiler
    step libraries "$(apt_version libasound2)" "$(apt_version libasound2-dev)"
    libraries=$made
    step daemon "$libraries" "$(fingerprint "$project/Cargo.toml" "$project/Cargo.lock" "$project/appliance" "$project/board")" \
        "$("$rustc_for_board" --version)" "$(aarch64-linux-gnu-gcc --version | head -1)" "$rust_flags"
    daemon=$made
}
