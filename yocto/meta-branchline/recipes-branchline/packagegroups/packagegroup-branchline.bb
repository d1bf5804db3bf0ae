SUMMARY = "All of the telephone box beside the operating system"
DESCRIPTION = "The daemon, the settings of the box, updates of the system, and drivers that some kernels have as modules."

PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

RDEPENDS:${PN} = "branchline branchline-system"
RRECOMMENDS:${PN} = "kernel-module-snd-usb-audio"
