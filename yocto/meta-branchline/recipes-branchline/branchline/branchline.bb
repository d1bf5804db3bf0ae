SUMMARY = "Telephone system of a branch office"
DESCRIPTION = "Registrar, dial plan, calls, media relay and call records of a branch, which go on when something fails."
SECTION = "net"

require recipes-branchline/branchline.inc
require branchline-sources.inc

DEPENDS += "alsa-lib"

SRC_URI += "file://crates.toml"

S = "${WORKDIR}/branchline"

inherit cargo_bin pkgconfig systemd

SYSTEMD_SERVICE:${PN} = "branchline.service"

# Frozen: compiling needs no network, the crates are fetched by their sums.
EXTRA_CARGO_FLAGS = "--frozen --package branchline-pbx"
EXTRA_RUSTFLAGS = "--remap-path-prefix=${WORKDIR}=${TARGET_DBGSRC_DIR}"

do_configure:append() {
    sed -e 's,@CRATES@,${CARGO_HOME}/bitbake,' ${WORKDIR}/crates.toml >${CARGO_HOME}/config.toml
}

do_install() {
    install -D -m 0755 ${CARGO_BINDIR}/branchline ${D}${bindir}/branchline
    install -d ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/appliance/pbx/*.service ${S}/appliance/pbx/*.timer ${D}${systemd_system_unitdir}
    sed -i -e 's,/usr/local/bin/,${bindir}/,' ${D}${systemd_system_unitdir}/*.service
}

FILES:${PN} += "${systemd_system_unitdir}"
RDEPENDS:${PN} += "ca-certificates"
