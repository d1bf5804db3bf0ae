FILESEXTRAPATHS:prepend:branchline-box := "${BRANCHLINE_SOURCE}/image/root/etc:"
