SUMMARY = "Boot loader script, its count of tries, boot partition of a slot"
DESCRIPTION = "image/boot.cmd for this board, and kernel and initramfs as the file system that a slot boots from."
SECTION = "bootloaders"

require recipes-branchline/branchline.inc

DEPENDS += "dosfstools-native mtools-native u-boot-tools-native"

SRC_URI = "file://image/boot.cmd;subdir=shared"

S = "${WORKDIR}/shared/image"
B = "${WORKDIR}/build"

inherit deploy nopackages

INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"

do_compile() {
    {
        echo "setenv console ${BRANCHLINE_CONSOLE}"
        echo "setenv devicetree \${${BRANCHLINE_DEVICETREE}}"
        cat ${S}/boot.cmd
    } >boot.cmd
    mkimage -A arm64 -T script -C none -n branchline -d boot.cmd boot.scr.uimg
    printf 'BOOT_ORDER=A\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n' | mkenvimage -s 0x4000 -o slots.env -

    # Size, label and number as in image/genimage.cfg.
    mkfs.vfat -C -i B0C80002 -n BOOT --invariant branchline-boot.vfat 65536
    mcopy -i branchline-boot.vfat ${DEPLOY_DIR_IMAGE}/Image ::Image
    mcopy -i branchline-boot.vfat ${DEPLOY_DIR_IMAGE}/branchline-initramfs-${MACHINE}.cpio.gz ::initrd
}
do_compile[cleandirs] = "${B}"
do_compile[depends] += "virtual/kernel:do_deploy branchline-initramfs:do_image_complete"

do_deploy() {
    install -m 0644 ${B}/boot.scr.uimg ${B}/slots.env ${B}/branchline-boot.vfat ${DEPLOYDIR}
}
addtask deploy after do_compile before do_build
