# The disk: boot loader script and state, kernel, root, empty partitions. And what is on it, for who wants to know.

# The key that updates are signed with is the owner's and never part of a build; its certificate is in every box.
prepare_signing() {
    signing=${BRANCHLINE_SIGNING:-${XDG_CONFIG_HOME:-$HOME/.config}/branchline/signing}
    [ ! -e "$signing/certificate.pem" ] || return 0
    say signing "a new key in $signing; keep it, boxes take updates signed with it alone"
    make_signing "$signing"
}

# OpenSSL 3.0 cannot sign a message (CMS) with Ed25519.
make_signing() {
    (umask 077 && mkdir -p "$1" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -batch \
        -subj "/CN=Branchline updates" -keyout "$1/key.pem" -out "$1/certificate.pem" 2>/dev/null)
}

make_disk() {
    local input=$1/input
    mkdir -p "$input" "$1/scratch" "$1/empty"
    cp "$kernel/boot/vmlinuz-$kernel_release" "$input/Image"
    cp "$initramfs/initrd" "$input/initrd"
    cp "$root/root.squashfs" "$input/root.squashfs"
    printf 'BOOT_ORDER=A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n' | mkenvimage -s 0x4000 -o "$input/slots.env" -
    mkimage -A arm64 -T script -C none -n branchline -d "$image/boot.cmd" "$input/boot.scr.uimg" >/dev/null
    touch -d "@$SOURCE_DATE_EPOCH" "$input"/*
    genimage --config "$image/genimage.cfg" --rootpath "$1/empty" --tmppath "$1/scratch/tmp" --inputpath "$input" \
        --outputpath "$1" --loglevel 1
    rm -rf "$input" "$1/scratch" "$1/empty"
}

# write_update FOLDER VERSION BOARD UPDATE: from root.img and boot.img in FOLDER, signed with the key in $signing.
write_update() {
    cat >"$1/manifest.raucm" <<MANIFEST
[update]
compatible=$3
version=$2
[bundle]
format=verity
[image.root]
filename=root.img
[image.boot]
filename=boot.img
MANIFEST
    rauc bundle --cert "$signing/certificate.pem" --key "$signing/key.pem" "$1" "$4" >/dev/null 2>"$4.log" ||
        { cat "$4.log" >&2 && fail "the update cannot be signed with the key in $signing"; }
    rm "$4.log"
}

make_update() {
    mkdir "$1/input"
    cp "$root/root.squashfs" "$1/input/root.img"
    cp "$disk/boot.vfat" "$1/input/boot.img"
    write_update "$1/input" "$version" "$board" "$1/update.raucb"
    rm -r "$1/input"
}

make_contents() {
    python3 "$image/sbom.py" "$packages" "$project" "$version" "$SOURCE_DATE_EPOCH" "$1" \
        "linux-image-$kernel_release $kernel_version" <<<"$package_versions"
}

build_disk() {
    step disk "$kernel" "$initramfs" "$root" "$(fingerprint "$image/boot.cmd" "$image/genimage.cfg")" "$SOURCE_DATE_EPOCH"
    disk=$made
}

build_update() {
    step update "$disk" "$root" "$version" "$board" "$(declare -f write_update)" "$(fingerprint "$signing/certificate.pem")"
    update=$made
}

build_contents() {
    step contents "$package_versions" "$kernel_version" "$version" "$SOURCE_DATE_EPOCH" \
        "$(fingerprint "$image/sbom.py" "$project/Cargo.lock")"
    contents=$made
}
