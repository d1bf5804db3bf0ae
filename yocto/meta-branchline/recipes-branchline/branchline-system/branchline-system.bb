SUMMARY = "Settings, units and scripts of the telephone box"
DESCRIPTION = "What image/root holds for both images, which units systemd starts, and whose updates the box takes."
SECTION = "base"

require recipes-branchline/branchline.inc

FILESEXTRAPATHS:prepend := "${BRANCHLINE_SIGNING}:"
SRC_URI = "\
    file://certificate.pem \
    file://image/root;subdir=shared \
    file://image/units.txt;subdir=shared \
    file://nftables.service \
"

S = "${WORKDIR}/shared/image"

inherit useradd features_check

REQUIRED_DISTRO_FEATURES = "systemd usrmerge"
PACKAGE_ARCH = "${MACHINE_ARCH}"

# The numbers outlive an update: what is on the data partition belongs to them.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system --gid 200 branchline"
USERADD_PARAM:${PN} = "--system --uid 200 --gid branchline --home-dir ${localstatedir}/lib/branchline --no-create-home --shell ${sbindir}/nologin branchline"

python () {
    certificate = d.expand("${BRANCHLINE_SIGNING}/certificate.pem")
    bb.parse.mark_dependency(d, certificate)
    if not os.path.exists(certificate):
        raise bb.parse.SkipRecipe("%s is missing, and a box without it takes no updates; see yocto/README.md" % certificate)
}

do_install() {
    cp -R --no-dereference --preserve=mode,links ${S}/root/. ${D}
    # base-files and base-passwd have these.
    for name in fstab group.box hosts nsswitch.conf passwd.box; do rm ${D}${sysconfdir}/$name; done
    install -d ${D}${systemd_system_unitdir}
    mv ${D}${sysconfdir}/systemd/system/* ${D}${systemd_system_unitdir}
    install -m 0644 ${WORKDIR}/nftables.service ${D}${systemd_system_unitdir}

    sed -i -e 's/^compatible=.*/compatible=${BRANCHLINE_COMPATIBLE}/' ${D}${sysconfdir}/rauc/system.conf
    sed -i -e 's/BRANCHLINE_BOARD=[^ ]*/BRANCHLINE_BOARD=${BRANCHLINE_BOARD}/' ${D}${systemd_system_unitdir}/branchline-board.service.d/box.conf
    install -m 0644 ${WORKDIR}/certificate.pem ${D}${sysconfdir}/rauc/keyring.pem

    install -d ${D}${systemd_unitdir}/system-preset
    preset=${D}${systemd_unitdir}/system-preset/10-branchline.preset
    sed -n 's/^on /enable /p' ${S}/units.txt >$preset
    echo "disable *" >>$preset
    sed -n 's/^off //p' ${S}/units.txt | while read -r unit; do
        ln -s /dev/null ${D}${sysconfdir}/systemd/system/$unit
    done

    # The partition of the boot loader is mounted there.
    install -d ${D}/boot/fw
}

FILES:${PN} += "\
    /boot/fw \
    ${nonarch_libdir}/branchline \
    ${nonarch_libdir}/sysctl.d \
    ${systemd_system_unitdir} \
    ${systemd_unitdir}/system-preset \
"

# What the scripts call.
RDEPENDS:${PN} += "\
    branchline \
    busybox \
    e2fsprogs-e2fsck \
    e2fsprogs-mke2fs \
    iproute2 \
    kmod \
    libubootenv-bin \
    nftables \
    rauc \
    rauc-service \
    util-linux-mkswap \
    util-linux-setpriv \
    util-linux-swaponoff \
"
RPROVIDES:${PN} += "virtual-rauc-conf"
