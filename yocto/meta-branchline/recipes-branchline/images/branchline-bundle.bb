SUMMARY = "Signed update of kernel and root file system"
DESCRIPTION = "A RAUC bundle for the slot of a box that is not in use."

require recipes-branchline/branchline.inc

SRC_URI = ""

inherit bundle

RAUC_BUNDLE_COMPATIBLE = "${BRANCHLINE_COMPATIBLE}"
RAUC_BUNDLE_VERSION = "${IMAGE_VERSION}"
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_SLOTS = "root boot"
RAUC_SLOT_root = "branchline-image"
RAUC_SLOT_root[fstype] = "squashfs-zst"
RAUC_SLOT_root[rename] = "root.img"
RAUC_SLOT_boot = "branchline-boot"
RAUC_SLOT_boot[type] = "file"
RAUC_SLOT_boot[file] = "branchline-boot.vfat"
RAUC_SLOT_boot[rename] = "boot.img"
RAUC_KEY_FILE = "${BRANCHLINE_SIGNING}/key.pem"
RAUC_CERT_FILE = "${BRANCHLINE_SIGNING}/certificate.pem"
RAUC_KEYRING_FILE = "${BRANCHLINE_SIGNING}/certificate.pem"
