# The disk: boot loader script and state, kernel, root, empty partitions. And what is on it, for who wants to know.

# The key that updates are signed with is the owner's and never part of a build; its certificate is in every box.
prepare_signing() {
    signing=${BRANCHLINE_SIGNING:-${XDG_CONFIG_HOME:-$HOME/.config}/branchline/signing}
    [ ! -e "$signing/certificate.pem" ] || return 0
    say signing "a new key in $signing; keep it, boxes take updates signed with it alone"
    (umask 077 && mkdir -p "$signing" && openssl req -x509 -newkey ed25519 -nodes -days 36500 -batch \
        -subj "/CN=Branchline updates" -keyout "$signing/key.pem" -out "$signing/certificate.pem" 2>/dev/null)
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

make_contents() {
    python3 "$image/sbom.py" "$packages" "$project" "$version" "$SOURCE_DATE_EPOCH" "$1" \
        "linux-image-$kernel_release $kernel_version" <<<"$package_versions"
}

build_disk() {
    step disk "$kernel" "$initramfs" "$root" "$(fingerprint "$image/boot.cmd" "$image/genimage.cfg")" "$SOURCE_DATE_EPOCH"
    disk=$made
}

build_contents() {
    step contents "$package_versions" "$kernel_version" "$version" "$SOURCE_DATE_EPOCH" \
        "$(fingerprint "$image/sbom.py" "$project/Cargo.lock")"
    contents=$made
}
