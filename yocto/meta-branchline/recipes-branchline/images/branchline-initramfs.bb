SUMMARY = "Finds the root partition of a slot by its label"
DESCRIPTION = "Busybox and image/initramfs/init; what fails in it reboots, and the boot loader counts."
LICENSE = "MIT"

inherit image

PACKAGE_INSTALL = "base-passwd branchline-init busybox"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
# No suffix: branchline-boot names the file.
IMAGE_NAME_SUFFIX = ""
IMAGE_FSTYPES = "cpio.gz"
IMAGE_ROOTFS_EXTRA_SPACE = "0"
PACKAGE_EXCLUDE = "kernel-image*"
