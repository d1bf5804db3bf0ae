FILESEXTRAPATHS:prepend:branchline-box := "${THISDIR}/../../../../recipes-kernel/linux/files:"
SRC_URI:append:branchline-box = " file://branchline.cfg"
