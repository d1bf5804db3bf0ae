SUMMARY = "The telephone box: a disk with two slots"
DESCRIPTION = "Read-only root, a slot beside it for updates, journal and data; laid out as image/genimage.cfg has it."
LICENSE = "MIT"

inherit image

IMAGE_INSTALL = "packagegroup-core-boot packagegroup-branchline"
# Nobody logs in, whatever EXTRA_IMAGE_FEATURES has.
IMAGE_FEATURES = "read-only-rootfs"
IMAGE_LINGUAS = ""
# The kernel is on the slot's boot partition; branchline-healthy says when a slot is good.
PACKAGE_EXCLUDE = "kernel-image*"
BAD_RECOMMENDATIONS = "rauc-mark-good busybox-syslog udev-hwdb"

# squashfs is what an update carries.
IMAGE_FSTYPES = "squashfs-zst wic wic.bmap"
WKS_FILE = "branchline.wks.in"
IMAGE_BOOT_FILES = "${BRANCHLINE_FW_FILES}"
do_image_wic[depends] += "branchline-boot:do_deploy virtual/bootloader:do_deploy"
