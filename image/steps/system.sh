# Kernel, initramfs and root file system from unpacked Debian packages. No maintainer script is run, so nothing of the
# board's architecture is either; what those scripts would have done is done here or in image/root.

# lines FILE: without comments and empty lines.
lines() { sed -e 's/#.*//' -e '/^ *$/d' "$1"; }

# depends_of MODULE...: paths of these modules and of what they need, in the order in which they are loaded.
depends_of() {
    local module
    for module in "$@"; do
        modprobe --dirname "$kernel" --set-version "$kernel_release" --show-depends "$module" |
            sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++'
}

make_kernel() {
    apt_unpack "$1" "linux-image-$kernel_release"
    rm -rf "$1/usr"
    depmod --basedir "$1" "$kernel_release"
}

build_kernel() {
    local package
    package=$(apt-cache "${apt_options[@]}" depends "linux-image-$architecture" | sed -n 's/^ *Depends: //p' | head -1)
    kernel_release=${package#linux-image-}
    kernel_version=$(apt_version "$package")
    step kernel "$package" "$kernel_version"
    kernel=$made
}

make_initramfs() {
    local tree=$1/tree module
    mkdir -p "$tree"/{bin,dev,proc,sys,root,modules}
    cp "$packages/bin/busybox" "$tree/bin/busybox"
    for applet in sh cat grep insmod mount umount reboot sleep switch_root; do ln -s busybox "$tree/bin/$applet"; done
    install -m 755 "$image/initramfs/init" "$tree/init"
    # shellcheck disable=SC2046 # one word a module
    depends_of $(lines "$image/modules.txt" | sed -n 's/^initramfs //p') >"$1/list"
    while read -r module; do
        aarch64-linux-gnu-strip --strip-debug -o "$tree/modules/${module##*/}" "$module"
        echo "${module##*/}"
    done <"$1/list" >"$tree/modules/order"
    find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$tree" && find . -print0 | sort -z |
        cpio --null --create --format=newc --reproducible --owner=0:0 --quiet) | gzip -9n >"$1/initrd"
    rm -rf "$tree" "$1/list"
}

build_initramfs() {
    step initramfs "$kernel" "$packages" "$(fingerprint "$image/initramfs" "$image/modules.txt")" "$SOURCE_DATE_EPOCH"
    initramfs=$made
}

# Every directory that /usr has merged is a link before anything is unpacked.
make_packages() {
    local merged
    mkdir -p "$1"/usr/{bin,sbin,lib}
    for merged in bin sbin lib; do ln -s "usr/$merged" "$1/$merged"; done
    # shellcheck disable=SC2046 # one word a package
    apt_unpack "$1" $(sed 's/ /=/' <<<"$package_versions")
}

build_packages() {
    local left_out
    left_out=$(lines "$image/packages.txt" | sed -n 's/^-//p')
    # shellcheck disable=SC2046 # one word a package
    package_versions=$(apt_closure $(lines "$image/packages.txt" | grep -v '^-') |
        awk 'NR == FNR { out[$1]; next } !($1 in out)' <(echo "$left_out") -)
    step packages "$package_versions"
    packages=$made
}

make_root() {
    local root=$1/root applet module
    cp -a "$packages" "$root"
    cp -a "$image/root/." "$root/"

    # Users: Debian's own, then ours.
    cat "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd.box" >"$root/etc/passwd"
    cat "$root/usr/share/base-passwd/group.master" "$root/etc/group.box" >"$root/etc/group"
    sed -i 's/^root:[^:]*:/root:!:/' "$root/etc/passwd"
    rm "$root"/etc/{passwd,group}.box

    # Busybox fills in what the scripts need and no package brings; its shell does not: it prefers its applets to programs.
    for applet in $(lines "$image/applets.txt"); do
        [ -e "$root/bin/$applet" ] || [ -L "$root/bin/$applet" ] || [ -e "$root/sbin/$applet" ] || ln -s busybox "$root/bin/$applet"
    done

    (cd "$root/usr/share/ca-certificates" && find mozilla -name '*.crt' -print0 | sort -z | xargs -0 cat) \
        >"$root/etc/ssl/certs/ca-certificates.crt"

    install -d "$root/usr/local/bin"
    install -m 755 "$daemon/branchline" "$root/usr/local/bin/branchline"
    install -m 644 "$project"/appliance/pbx/branchline{,-board}.service "$root/etc/systemd/system"
    install -m 644 "$signing/certificate.pem" "$root/etc/rauc/keyring.pem"
    sed -i -e '/^PRETTY_NAME=/d' "$root/usr/lib/os-release"
    printf 'PRETTY_NAME="Branchline %s on Debian"\nIMAGE_ID=branchline\nIMAGE_VERSION=%s\n' "$version" "$version" \
        >>"$root/usr/lib/os-release"

    mkdir -p "$root/usr/lib/modules/$kernel_release"
    # shellcheck disable=SC2046 # one word a module
    depends_of $(lines "$image/modules.txt" | sed -n 's/^[a-z]* //p') | while read -r module; do
        install -D -m 644 "$module" "$root/usr/lib/modules/$kernel_release/${module#"$kernel/lib/modules/$kernel_release/"}"
    done
    find "$root/usr/lib/modules" -name '*.ko' -exec aarch64-linux-gnu-strip --strip-debug {} +
    cp "$kernel/lib/modules/$kernel_release"/modules.{order,builtin,builtin.modinfo} "$root/usr/lib/modules/$kernel_release/"
    depmod --basedir "$root" "$kernel_release"

    enable_units "$root"
    prune_root "$root"
    find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    mksquashfs "$root" "$1/root.squashfs" -noappend -all-root -no-xattrs -comp zstd -Xcompression-level 15 \
        -b 256K -quiet -no-progress
    rm -rf "$root"
}

# units on|off
units() { lines "$image/units.txt" | sed -n "s/^$1 //p"; }

enable_units() {
    local units=$1/etc/systemd/system unit
    for unit in $(units off); do ln -sf /dev/null "$units/$unit"; done
    mkdir -p "$units/multi-user.target.wants"
    for unit in $(units on); do
        [ -e "$units/$unit" ] || [ -e "$1/usr/lib/systemd/system/$unit" ] || fail "there is no unit $unit"
        if [ -e "$units/$unit" ]; then
            ln -sf "../$unit" "$units/multi-user.target.wants/$unit"
        else
            ln -sf "/usr/lib/systemd/system/$unit" "$units/multi-user.target.wants/$unit"
        fi
    done
    ln -sf /usr/lib/systemd/system/multi-user.target "$units/default.target"
    ln -sf ../run/systemd/resolve/resolv.conf "$1/etc/resolv.conf"
    ln -sf ../proc/self/mounts "$1/etc/mtab"
    # Empty: each boot has an id of its own.
    : >"$1/etc/machine-id"
    # systemd never sets the clock before this file's time.
    : >"$1/usr/lib/clock-epoch"
}

prune_root() {
    local root=$1
    rm -rf "$root"/{var,boot,tmp,home,media,opt,srv,mnt} "$root"/etc/{apt,cron.d,cron.daily,default,init.d,logrotate.d,rc*.d,sv} \
        "$root"/usr/share/{man,info,locale,lintian,bash-completion,zsh,doc-base,bug,gcc,perl5,pkgconfig,polkit-1,menu,mime,initramfs-tools} \
        "$root"/usr/lib/udev/hwdb.d "$root"/usr/lib/aarch64-linux-gnu/gconv "$root"/usr/lib/systemd/catalog \
        "$root"/usr/share/ca-certificates "$root"/usr/lib/{apt,dpkg,init}
    # The licences stay.
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    find "$root/usr/share/doc" -type l -name '*changelog*' -delete
    find "$root/usr/share/doc" -type d -empty -delete
    mkdir -p "$root"/{var,boot/fw,tmp,proc,sys,dev,run,root}
}

build_root() {
    step root "$packages" "$daemon" "$kernel" "$version" "$SOURCE_DATE_EPOCH" "$(declare -f enable_units prune_root)" \
        "$(fingerprint "$image/root" "$image/units.txt" "$image/modules.txt" "$image/applets.txt" "$signing/certificate.pem" \
            "$project"/appliance/pbx/branchline{,-board}.service)"
    root=$made
}
