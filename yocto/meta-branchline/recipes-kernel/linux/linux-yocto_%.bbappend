FILESEXTRAPATHS:prepend:branchline-box := "${THISDIR}/files:"
SRC_URI:append:branchline-box = " file://branchline.cfg"
