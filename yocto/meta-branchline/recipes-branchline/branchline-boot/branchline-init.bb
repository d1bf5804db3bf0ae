SUMMARY = "First program of the telephone box"
DESCRIPTION = "image/initramfs/init as /init, without modules: the kernels of this layer have them built in."
SECTION = "base"

require recipes-branchline/branchline.inc

SRC_URI = "file://image/initramfs/init;subdir=shared"

S = "${WORKDIR}/shared/image/initramfs"

inherit allarch

do_install() {
    install -d ${D}/dev ${D}/modules ${D}/proc ${D}/root ${D}/sys
    : >${D}/modules/order
    install -m 0755 ${S}/init ${D}/init
}

FILES:${PN} += "/dev /init /modules /proc /root /sys"
RDEPENDS:${PN} += "busybox"
